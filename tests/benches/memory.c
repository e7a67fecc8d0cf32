/* Plain loops over memory, which the memory kinds are compared with. Our own; no library beyond threads.
 *
 * memory read|store|fill MiB SECONDS CORE...
 *   read   loads (vector registers, in order) over MiB a thread for SECONDS: prints GB/s of all threads together
 *   store  the same with stores past the caches
 *   fill   memset of fresh memory, MiB in all shared by the threads: prints the seconds it took
 */
#define _GNU_SOURCE
#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

struct worker {
    pthread_t thread;
    int core;
    char what;
    size_t bytes;
    double seconds, rate;
    char *memory;
};

static pthread_barrier_t start;

__attribute__((target("avx512f"))) static void read512(const char *m, size_t n) {
    __m512i s[8] = {0};
    for (size_t i = 0; i < n; i += 512)
        for (int k = 0; k < 8; k++) s[k] = _mm512_xor_si512(s[k], _mm512_load_si512(m + i + 64 * k));
    for (int k = 0; k < 8; k++) __asm__ volatile("" ::"v"(s[k]));
}

__attribute__((target("avx2"))) static void read256(const char *m, size_t n) {
    __m256i s[8] = {0};
    for (size_t i = 0; i < n; i += 256)
        for (int k = 0; k < 8; k++) s[k] = _mm256_xor_si256(s[k], _mm256_load_si256((const void *)(m + i + 32 * k)));
    for (int k = 0; k < 8; k++) __asm__ volatile("" ::"x"(s[k]));
}

__attribute__((target("avx512f"))) static void store512(char *m, size_t n) {
    __m512i v = _mm512_set1_epi64(7);
    for (size_t i = 0; i < n; i += 64) _mm512_stream_si512((void *)(m + i), v);
    _mm_sfence();
}

__attribute__((target("avx2"))) static void store256(char *m, size_t n) {
    __m256i v = _mm256_set1_epi64x(7);
    for (size_t i = 0; i < n; i += 32) _mm256_stream_si256((void *)(m + i), v);
    _mm_sfence();
}

static void *work(void *at) {
    struct worker *w = at;
    int wide = __builtin_cpu_supports("avx512f");
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(w->core, &set);
    sched_setaffinity(0, sizeof set, &set);
    if (w->what != 'f') memset(w->memory, 1, w->bytes);
    pthread_barrier_wait(&start);
    double began = now(), done = began, moved = 0;
    do {
        if (w->what == 'r') (wide ? read512 : read256)(w->memory, w->bytes);
        else if (w->what == 's') (wide ? store512 : store256)(w->memory, w->bytes);
        else memset(w->memory, 1, w->bytes);
        moved += w->bytes;
        done = now();
    } while (w->what != 'f' && done - began < w->seconds);
    w->rate = moved / (done - began) / 1e9;
    return NULL;
}

int main(int count, char **words) {
    int threads = count - 4;
    if (threads < 1) return fprintf(stderr, "usage: memory read|store|fill MiB SECONDS CORE...\n"), 2;
    char what = words[1][0];
    size_t bytes = strtoull(words[2], NULL, 10) << 20;
    if (what == 'f') bytes = bytes / threads >> 21 << 21;
    struct worker *all = calloc(threads, sizeof *all);
    pthread_barrier_init(&start, NULL, threads + 1);
    for (int i = 0; i < threads; i++) {
        size_t whole = bytes + (2 << 20);
        char *memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) return perror("mmap"), 1;
        memory += -(size_t)memory & ((2 << 20) - 1);
        madvise(memory, bytes, MADV_HUGEPAGE);
        all[i] = (struct worker){.core = atoi(words[4 + i]), .what = what, .bytes = bytes, .seconds = atof(words[3]), .memory = memory};
        pthread_create(&all[i].thread, NULL, work, &all[i]);
    }
    pthread_barrier_wait(&start);
    double began = now(), rate = 0;
    for (int i = 0; i < threads; i++) {
        pthread_join(all[i].thread, NULL);
        rate += all[i].rate;
    }
    printf("%.3f\n", what == 'f' ? now() - began : rate);
    return 0;
}
