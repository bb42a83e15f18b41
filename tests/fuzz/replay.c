/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target over files, each a test of its own in the output (Test Anything Protocol).
 * Arguments are files and directories, of which each plain file is taken. The target's own output
 * goes to /dev/null, except what it writes to standard error when it ends the process.
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned replay_count;

static void replay_file(FILE *report, const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;
    struct stat info;

    fuzz_must(file && fstat(fileno(file), &info) == 0, "%s cannot be read", path);
    /* A buffer of just the size, so that a read past its end is noticed. */
    bytes = malloc((size_t)info.st_size);
    fuzz_must(fread(bytes, 1, (size_t)info.st_size, file) == (size_t)info.st_size,
              "%s cannot be read", path);
    fclose(file);
    fprintf(report, "# %s\n", path);
    LLVMFuzzerTestOneInput(bytes, (size_t)info.st_size);
    fprintf(report, "ok %u - %s\n", ++replay_count,
            strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
    free(bytes);
}

static int replay_is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay(FILE *report, const char *path)
{
    struct dirent **entries;
    struct stat info;
    char name[4096];
    int count;

    fuzz_must(stat(path, &info) == 0, "%s is not there", path);
    if (!S_ISDIR(info.st_mode)) {
        replay_file(report, path);
        return;
    }
    count = scandir(path, &entries, replay_is_file, alphasort);
    fuzz_must(count > 0, "%s holds no files", path);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        replay_file(report, name);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    FILE *report = fdopen(dup(STDOUT_FILENO), "w");
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    fuzz_must(report && null >= 0 && dup2(null, STDOUT_FILENO) >= 0, "no output");
    close(null);
    setvbuf(report, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++)
        replay(report, argv[i]);
    fuzz_must(replay_count > 0, "no files to run were named");
    fprintf(report, "1..%u\n", replay_count);
    fclose(report);
    return 0;
}
