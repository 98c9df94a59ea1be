// Prints what llama.cpp makes of a model: the record that `cargo xtask conformance --llama PROGRAM` compares with.
// Arguments: model, prompt, number of greedy tokens, context; then, for `cargo xtask bench engine`, f16 for keys and
// values in half precision, and 1 to re-pack the weights. Link with libllama; without those, everything runs in f32 on
// the CPU. With `product TYPE ROWS COLS COUNT WEIGHTS INPUT` it writes the products of one matrix as ggml makes them.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "ggml-cpu.h"
#include "llama.h"

static void fail(const char *what) {
    std::fprintf(stderr, "%s\n", what);
    std::exit(1);
}

static std::string quoted(const std::string &text) {
    std::string out = "\"";
    for (unsigned char c : text) {
        char escaped[8];
        if (c == '"' || c == '\\' || c < 0x20) {
            std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
            out += escaped;
        } else {
            out += static_cast<char>(c);
        }
    }
    return out + "\"";
}

template <typename T> static void list(const char *name, const char *format, const std::vector<T> &items) {
    std::printf(",\"%s\":[", name);
    for (size_t i = 0; i < items.size(); i++) {
        if (i > 0) std::putchar(',');
        std::printf(format, items[i]);
    }
    std::putchar(']');
}

static void read_whole(const char *path, void *to, size_t bytes) {
    FILE *file = std::fopen(path, "rb");
    if (!file || std::fread(to, 1, bytes, file) != bytes) fail("a file of numbers is missing or too short");
    std::fclose(file);
}

static int product(char **argv) {
    const ggml_type type = static_cast<ggml_type>(std::atoi(argv[2]));
    const int64_t rows = std::atoll(argv[3]), cols = std::atoll(argv[4]), count = std::atoll(argv[5]);
    ggml_init_params room = {};
    room.mem_size = static_cast<size_t>(rows * cols + (rows + cols) * count) * 8 + (16 << 20);
    ggml_context *context = ggml_init(room);
    ggml_tensor *weights = ggml_new_tensor_2d(context, type, cols, rows);
    ggml_tensor *input = ggml_new_tensor_2d(context, GGML_TYPE_F32, cols, count);
    read_whole(argv[6], weights->data, ggml_nbytes(weights));
    read_whole(argv[7], input->data, ggml_nbytes(input));
    ggml_tensor *output = ggml_mul_mat(context, weights, input);
    ggml_cgraph *graph = ggml_new_graph(context);
    ggml_build_forward_expand(graph, output);
    if (ggml_graph_compute_with_ctx(context, graph, 1) != GGML_STATUS_SUCCESS) fail("ggml does not compute");
    return std::fwrite(output->data, 1, ggml_nbytes(output), stdout) == ggml_nbytes(output) ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc == 8 && std::strcmp(argv[1], "product") == 0) return product(argv);
    if (argc < 5 || argc > 7) fail("arguments: MODEL PROMPT TOKENS CONTEXT [f32|f16 [0|1]]");
    const bool half = argc > 5 && std::strcmp(argv[5], "f16") == 0;
    const bool repack = argc > 6 && std::strcmp(argv[6], "1") == 0;
    const std::string prompt = argv[2];
    const int count = std::atoi(argv[3]);
    llama_log_set([](ggml_log_level level, const char *text, void *) {
        if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
    }, nullptr);
    llama_backend_init();

    llama_model_params loading = llama_model_default_params();
    loading.n_gpu_layers = 0;
    loading.use_extra_bufts = repack;
    llama_model *model = llama_model_load_from_file(argv[1], loading);
    if (!model) fail("llama.cpp refuses the model");
    const llama_vocab *vocab = llama_model_get_vocab(model);
    const int size = llama_vocab_n_tokens(vocab);

    llama_context_params running = llama_context_default_params();
    running.n_ctx = std::atoi(argv[4]);
    running.type_k = half ? GGML_TYPE_F16 : GGML_TYPE_F32;
    running.type_v = half ? GGML_TYPE_F16 : GGML_TYPE_F32;
    running.flash_attn_type = half ? LLAMA_FLASH_ATTN_TYPE_AUTO : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    running.n_threads = running.n_threads_batch = 1;
    llama_context *context = llama_init_from_model(model, running);
    if (!context) fail("llama.cpp makes no context");

    std::vector<llama_token> ids(prompt.size() + 8);
    const int length = llama_tokenize(vocab, prompt.data(), prompt.size(), ids.data(), ids.size(), true, false);
    if (length <= 0) fail("llama.cpp makes no tokens of the prompt");
    ids.resize(length);

    std::vector<llama_token> greedy;
    std::vector<float> first;
    std::vector<llama_token> next = ids;
    while (static_cast<int>(greedy.size()) < count) {
        if (llama_decode(context, llama_batch_get_one(next.data(), next.size())) != 0) fail("llama.cpp does not decode");
        const float *logits = llama_get_logits_ith(context, -1);
        if (first.empty()) first.assign(logits, logits + size);
        llama_token best = 0;
        for (int id = 1; id < size; id++) {
            if (logits[id] > logits[best]) best = id;
        }
        greedy.push_back(best);
        next.assign(1, best);
    }

    std::printf("{\"prompt\":%s,\"add_special\":true", quoted(prompt).c_str());
    list("prompt_ids", "%d", ids);
    list("greedy_ids", "%d", greedy);
    list("first_step_logits", "%.9g", first);
    std::puts("}");
}
