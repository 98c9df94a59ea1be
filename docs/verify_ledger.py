"""Verifies a whole log: verify_ledger.py KEY.pem REPOSITORY REF. Needs git and the Python package `cryptography`."""
import base64, hashlib, io, json, subprocess, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
def sha256(data): return hashlib.sha256(data).digest()
def check(claim, holds): holds or sys.exit(f"REFUSED: not so: {claim}")
def read(path): return subprocess.check_output(["git", "-C", repository, "cat-file", "blob", f"{ref}:{path}"])
def entries(size):
    for number in range(size // 256):  # full bundles: each envelope behind its length; bundle 1234 is x001/234
        bundle = io.BytesIO(read("tile/entries/" + f"x{number:07,}".replace(",", "/").removeprefix("x000/")))
        while length := bundle.read(2): yield bundle.read(int.from_bytes(length, "big"))
    for index in range(size % 256): yield read(f"tail/{index:02x}.json")
def root_of(leaves):  # RFC 6962
    if len(leaves) == 1: return leaves[0]
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + root_of(leaves[:left]) + root_of(leaves[left:]))
key_file, repository, ref = sys.argv[1:]
key = base64.b64decode(open(key_file).read().split("-----")[2])
log, genesis = json.loads(read("log.json")), sha256(read("log.json")).hex()
check("the log was begun by this key", log["writer"] == sha256(key).hex())
origin, size, root, _, signature, _ = read("checkpoint").decode().split("\n")
log_key, blob = bytes.fromhex(log["checkpoint_key"]), base64.b64decode(signature.split()[2])
check("the checkpoint is this log's", origin == f"bizra-ledger/{genesis[:32]}")
check("it names the log's key", blob[:4] == sha256(origin.encode() + b"\n\1" + log_key)[:4])
Ed25519PublicKey.from_public_bytes(log_key).verify(blob[4:], f"{origin}\n{size}\n{root}\n".encode())
leaves, sessions, last = [], {}, None
sys.excepthook = lambda kind, fault, _: print(f"REFUSED: receipt {len(leaves)}: {kind.__name__} {fault}")
for entry in entries(int(size)):
    envelope = json.loads(entry)
    payload, sig = map(base64.b64decode, (envelope["payload"], envelope["signatures"][0]["sig"]))
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    Ed25519PublicKey.from_public_bytes(key[-32:]).verify(sig, message)
    stamp = json.loads(payload)["predicate"]
    session, place = stamp["session"]["id"], (stamp["session"]["seq"], stamp["session"]["prev"])
    check(f"receipt {len(leaves)} is of this ledger", stamp["ledger"] == genesis)
    check(f"receipt {len(leaves)} follows the one before", place == sessions.get(session, (0, last)))
    last = sha256(message).hex()
    sessions[session] = (place[0] + 1, last)
    leaves.append(sha256(b"\0" + entry))
check("the receipts have the checkpoint's root", leaves and base64.b64decode(root) == root_of(leaves))
print(f"verified {size} receipts of log {genesis[:32]}, root {root}")
