"""BERT's forward pass in numpy, written from the paper: a peer to measure against, and in f64 a reference.

    python3 numpy_bert.py FOLDER TOKENS.json f32|f64 OUT.json

TOKENS.json is a list of lists of token ids. Writes the mean-pooled, normalised vectors, and how many seconds they took.
"""
import json
import struct
import sys
import time

import numpy as np


def load(folder, dtype):
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    with open(f"{folder}/model.safetensors", "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    weights = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            values = np.frombuffer(data[begin:end], dtype=np.float32).reshape(entry["shape"])
            weights[name.removeprefix("bert.")] = values.astype(dtype)
    return config, weights


def erf(x):
    """Abramowitz and Stegun 7.1.26 would be off by 1e-7: for f64 its series, for f32 a rational form good to f32."""
    if x.dtype == np.float64:
        from math import erf as exact

        return np.vectorize(exact, otypes=[np.float64])(x)
    sign, z = np.sign(x), np.abs(x)
    t = 1 / (1 + np.float32(0.3275911) * z)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * np.float32(1.061405429)))))
    return (sign * (1 - poly * np.exp(-z * z))).astype(x.dtype)


def norm(x, weights, name, eps):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + x.dtype.type(eps))
    return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def forward(config, w, ids, mask):
    heads, eps = config["num_attention_heads"], config.get("layer_norm_eps", 1e-12)
    batch, length = ids.shape
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:length]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], w, "embeddings.LayerNorm", eps)
    width = x.shape[-1]
    away = np.where(mask, 0, -1e30).astype(x.dtype)[:, None, None, :]
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}"
        split = lambda part: (
            linear(x, w, f"{at}.attention.self.{part}").reshape(batch, length, heads, -1).transpose(0, 2, 1, 3)
        )
        q, k, v = split("query"), split("key"), split("value")
        scores = q @ k.transpose(0, 1, 3, 2) / x.dtype.type(np.sqrt(width // heads)) + away
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).transpose(0, 2, 1, 3).reshape(batch, length, width)
        x = norm(linear(mixed, w, f"{at}.attention.output.dense") + x, w, f"{at}.attention.output.LayerNorm", eps)
        inner = linear(x, w, f"{at}.intermediate.dense")
        inner = inner * (1 + erf(inner / x.dtype.type(np.sqrt(2)))) / 2
        x = norm(linear(inner, w, f"{at}.output.dense") + x, w, f"{at}.output.LayerNorm", eps)
    mask = mask[..., None].astype(x.dtype)
    pooled = (x * mask).sum(1) / mask.sum(1)
    return pooled / np.linalg.norm(pooled, axis=-1, keepdims=True)


def main():
    folder, tokens, kind, out = sys.argv[1:]
    config, weights = load(folder, {"f32": np.float32, "f64": np.float64}[kind])
    with open(tokens) as file:
        texts = json.load(file)
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    vectors = [None] * len(texts)
    begin = time.perf_counter()
    for start in range(0, len(order), 32):
        part = order[start : start + 32]
        length = max(len(texts[at]) for at in part)
        ids = np.zeros((len(part), length), dtype=np.int64)
        mask = np.zeros((len(part), length), dtype=bool)
        for row, at in enumerate(part):
            ids[row, : len(texts[at])] = texts[at]
            mask[row, : len(texts[at])] = True
        for at, vector in zip(part, forward(config, weights, ids, mask)):
            vectors[at] = [float(x) for x in vector]
    took = time.perf_counter() - begin
    with open(out, "w") as file:
        json.dump({"seconds": took, "vectors": vectors}, file)


main()
