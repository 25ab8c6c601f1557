/* SPDX-License-Identifier: Apache-2.0
 * Example reader of golden-vector packages: C99, no library. Follows replay.txt, loads every file into a model of
 * external memory, verifies the two sums of each, and prints what it finds.
 *
 *   cc -std=c99 -O2 -o reader reader.c && ./reader PACKAGE [RUN TENSOR | RUN MEMORY INDEX]
 *
 * With RUN and TENSOR it prints the expected values, a row of the map per line. With RUN, MEMORY (act, weight, table or
 * external) and INDEX it prints what the commands up to that one leave there, "ADDRESS HEXBYTES" for each range written;
 * this needs a package of level `command`. Exit status 1 for a damaged package.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT 1024
#define MOST_TENSORS 1024

struct tensor {
    char name[TEXT];
    uint32_t address, rows, row_bytes, pitch, width, channels;
};

static uint8_t *memory;
static size_t memory_bytes;
static unsigned word_bytes;
static struct tensor tensors[MOST_TENSORS];
static int tensor_count;

static void fail(const char *what, const char *name) {
    fprintf(stderr, "reader: %s: %s\n", name, what);
    exit(1);
}

static int digit(int c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* A $readmemh file: "@word address", then a bus word per line, most significant digit first. */
static void load(const char *folder, const char *name, uint32_t address, uint32_t words, uint64_t sum, uint64_t weighted) {
    char path[2 * TEXT + 2], line[TEXT];
    uint64_t plain = 0, times = 0, number = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (!file) fail("cannot be opened", name);
    if ((uint64_t)address + (uint64_t)words * word_bytes > memory_bytes) fail("lies outside memory", name);
    if (!fgets(line, sizeof line, file) || line[0] != '@') fail("does not start with an address", name);
    if (strtoull(line + 1, NULL, 16) * word_bytes != address) fail("is for another address", name);
    for (uint32_t w = 0; w < words; w++) {
        uint8_t *at = memory + address + (size_t)w * word_bytes;
        if (!fgets(line, sizeof line, file) || strlen(line) < 2 * word_bytes) fail("ends early", name);
        for (unsigned i = 0; i < word_bytes; i++) {
            int high = digit(line[2 * i]), low = digit(line[2 * i + 1]);
            if (high < 0 || low < 0) fail("holds something that is no digit", name);
            at[word_bytes - 1 - i] = (uint8_t)(16 * high + low);
        }
        for (unsigned i = 0; i < word_bytes; i += 4) {
            uint32_t part = at[i] | (uint32_t)at[i + 1] << 8 | (uint32_t)at[i + 2] << 16 | (uint32_t)at[i + 3] << 24;
            plain += part;
            times += ++number * part;
        }
    }
    fclose(file);
    if (plain != sum || times != weighted) fail("is not what was exported: its sums differ", name);
    printf("  %s: %" PRIu32 " words at 0x%08" PRIx32 "\n", name, words, address);
}

static void print_tensor(const struct tensor *t) {
    uint64_t elements = (uint64_t)t->rows * t->row_bytes, per_row = (uint64_t)t->width * t->channels;
    for (uint64_t e = 0; e < elements; e++) {
        uint32_t at = t->address + (uint32_t)(e / t->row_bytes) * t->pitch + (uint32_t)(e % t->row_bytes);
        printf("%d%c", (int8_t)memory[at], (e + 1) % per_row ? ' ' : '\n');
    }
}

/* The records of commands 0..last put on top of each other. */
static int print_memory(const char *folder, const char *run, const char *which, long last) {
    char path[2 * TEXT + 16], name[TEXT];
    uint8_t *bytes = NULL, *known = NULL;
    size_t size = 0;
    long index = -1;
    snprintf(path, sizeof path, "%s/commands/%s.txt", folder, run);
    FILE *file = fopen(path, "r");
    if (!file) fail("cannot be opened: not of level `command`, or no such run", path);
    while (fscanf(file, "%1023s", name) == 1) {
        uint64_t address;
        int high, low;
        if (!strcmp(name, "command")) {
            if (fscanf(file, "%ld%*[^\n]", &index) != 1) fail("a line is malformed", path);
            if (index > last) break;
            continue;
        }
        if (fscanf(file, "%" SCNx64 " ", &address) != 1) fail("a line is malformed", path);
        for (; (high = digit(fgetc(file))) >= 0; address++) {
            if ((low = digit(fgetc(file))) < 0) fail("a line is malformed", path);
            if (strcmp(name, which)) continue;
            if (address >= size) {
                size_t grown = 2 * address + 4096;
                bytes = realloc(bytes, grown);
                known = realloc(known, grown);
                if (!bytes || !known) fail("needs more memory than there is", path);
                memset(known + size, 0, grown - size);
                size = grown;
            }
            bytes[address] = (uint8_t)(16 * high + low);
            known[address] = 1;
        }
    }
    for (size_t i = 0; i < size; i++) {
        if (known[i] && (!i || !known[i - 1])) printf("%zx ", i);
        if (known[i]) printf(i + 1 < size && known[i + 1] ? "%02x" : "%02x\n", bytes[i]);
    }
    fclose(file);
    free(bytes);
    free(known);
    return 0;
}

int main(int argc, char **argv) {
    char path[2 * TEXT], verb[TEXT], name[TEXT], run[TEXT] = "";
    unsigned format;
    uint64_t hash, sum, weighted, fill;
    uint32_t address, words, a, b, c;
    if (argc != 2 && argc != 4 && argc != 5) {
        fprintf(stderr, "usage: reader PACKAGE [RUN TENSOR | RUN MEMORY INDEX]\n");
        return 2;
    }
    if (argc == 5) return print_memory(argv[1], argv[2], argv[3], strtol(argv[4], NULL, 10));
    snprintf(path, sizeof path, "%s/replay.txt", argv[1]);
    FILE *script = fopen(path, "r");
    if (!script || fscanf(script, "package %u %" SCNx64 " %u", &format, &hash, &word_bytes) != 3 || format != 1)
        fail("is no script of format 1", path);
    printf("architecture %016" PRIx64 ", bus of %u bytes\n", hash, word_bytes);
    while (fscanf(script, "%1023s", verb) == 1 && strcmp(verb, "end")) {
        int ok = 1;
        if (!strcmp(verb, "run")) {
            ok = fscanf(script, "%1023s", run) == 1;
            tensor_count = 0;
            printf("run %s\n", run);
        } else if (!strcmp(verb, "fill")) {
            ok = fscanf(script, "%" SCNu32 " %" SCNx64 "%*[0-9a-f]", &a, &fill) >= 2;
            free(memory);
            memory = malloc(memory_bytes = a);
            if (!memory) fail("needs more memory than there is", path);
            memset(memory, (int)(fill & 255), memory_bytes);
        } else if (!strcmp(verb, "tensor") && tensor_count < MOST_TENSORS) {
            struct tensor *t = &tensors[tensor_count++];
            ok = fscanf(script, "%1023s %" SCNx32 " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32, t->name,
                        &t->address, &t->rows, &t->row_bytes, &t->pitch, &t->width, &t->channels) == 7;
        } else if (!strcmp(verb, "image") || !strcmp(verb, "expect")) {
            ok = fscanf(script, "%1023s %" SCNx32 " %" SCNu32 " %" SCNx64 " %" SCNx64, name, &address, &words, &sum,
                        &weighted) == 5;
            if (ok) load(argv[1], name, address, words, sum, weighted);
        } else if (!strcmp(verb, "write") || !strcmp(verb, "start")) {
            ok = fscanf(script, "%" SCNx32 " %" SCNx32, &a, &b) == 2;
            if (ok && verb[0] == 'w') printf("  register 0x%03" PRIx32 " = 0x%08" PRIx32 "\n", a, b);
        } else if (!strcmp(verb, "read")) {
            ok = fscanf(script, "%" SCNx32 " %" SCNx32 " %" SCNx32, &a, &b, &c) == 3;
        } else if (!strcmp(verb, "bus")) {
            ok = fscanf(script, "%1023s %" SCNx32 " %" SCNx32, name, &a, &b) == 3;
        } else if (!strcmp(verb, "compare")) {
            ok = fscanf(script, "%" SCNu32 " %" SCNx32 " %" SCNx32, &a, &b, &c) == 3;
            for (int i = 0; i < tensor_count; i++) {
                printf("  expects %s, %" PRIu32 " bytes\n", tensors[i].name, tensors[i].rows * tensors[i].row_bytes);
                if (argc == 4 && !strcmp(run, argv[2]) && !strcmp(tensors[i].name, argv[3])) print_tensor(&tensors[i]);
            }
        } else {
            ok = 0;
        }
        if (!ok) fail("a statement is malformed", verb);
    }
    if (strcmp(verb, "end")) fail("ends without `end`", path);
    fclose(script);
    free(memory);
    return 0;
}
