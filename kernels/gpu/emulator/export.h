// How an emulated kernel is reached: a function for a library, and under the sanitizer a program that takes one launch from
// one file and leaves all its buffers in another.
#pragma once

extern "C" int bizra_emulated_launch(void *const *args, const size_t *sizes, size_t count, const unsigned *grid,
                                     unsigned threads) {
    return on_cpu::launch(BIZRA_ENTRY, args, sizes, count, dim3{grid[0], grid[1], grid[2]}, threads);
}

#ifdef BIZRA_THREADS
#include <cstdio>

static FILE *in;
static bool take(void *to, size_t bytes) { return fread(to, 1, bytes, in) == bytes; }

int main(int count, char **names) {
    if (count != 3 || !(in = fopen(names[1], "rb"))) return 3;
    unsigned head[6]; // grid, threads, buffers, words of sizes
    if (!take(head, sizeof head) || head[4] > 64 || head[5] > 64) return 3;
    std::vector<unsigned> words(head[5]);
    if (!take(words.data(), words.size() * 4)) return 3;
    std::vector<std::vector<char>> buffers(head[4]);
    std::vector<void *> pointers, args;
    std::vector<size_t> sizes;
    for (auto &buffer : buffers) {
        uint64_t bytes;
        if (!take(&bytes, 8)) return 3;
        buffer.resize(bytes);
        if (!take(buffer.data(), bytes)) return 3;
        pointers.push_back(buffer.data());
    }
    for (auto &pointer : pointers) {
        args.push_back(&pointer);
        sizes.push_back(sizeof pointer);
    }
    args.push_back(words.data());
    sizes.push_back(words.size() * 4);
    int outcome = bizra_emulated_launch(args.data(), sizes.data(), args.size(), head, head[3]);
    if (outcome != 0) return outcome;
    FILE *out = fopen(names[2], "wb");
    if (!out) return 3;
    for (auto &buffer : buffers)
        if (fwrite(buffer.data(), 1, buffer.size(), out) != buffer.size()) return 3;
    return fclose(out) == 0 ? 0 : 3;
}
#endif
