/* SPDX-License-Identifier: BSD-2-Clause */
#include "runner.h"

#include "chip-time.h"
#include "random.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A program that takes so many seconds hangs; of the processor's time, or at all. A loaded machine
 * may make one wait for long. */
#define HANG_BUSY  120
#define HANG_WAITS 1200

/* How often shrinking runs a program at the most. */
#define SHRINK_RUNS 1500

static struct libtpms_chip *chip;
static struct chip facts;
static unsigned *reason; /* shared with the program's process */

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "model-test: %s\n", what);
    exit(70);
}

void runner_init(void)
{
    static const uint8_t self_test[11] = {0x80, 0x01, 0, 0, 0, 11, 0, 0, 0x01, 0x43, 1};
    uint8_t response[4096];
    size_t size;
    int64_t detail;

    must(random_take_over_chip(), "libtpms does not draw from libcrypto's RAND_set_rand_method");
    random_seed_chip(1);
    chip = libtpms_chip_new();
    must(chip_startup(&chip->tpm, NULL, &detail) == CHIP_OK, "the chip does not start");
    must(chip_time_was_asked(), "libtpms does not read the time by clock_gettime");
    /* Once here, not in each program again. */
    must(chip->tpm.transact(&chip->tpm, 0, self_test, sizeof(self_test), response, sizeof(response),
                            &size)
             == 0,
         "the chip does not test itself");
    must(chip_read(&facts, &chip->tpm, &detail) == CHIP_OK, "the chip tells nothing of itself");
    reason = mmap(NULL, sizeof(*reason), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(reason != MAP_FAILED, "no memory");
}

struct outcome runner_run(const struct program *program, int output)
{
    static const struct rlimit busy = {HANG_BUSY, HANG_BUSY};
    struct program mine = *program;
    struct outcome outcome;
    pid_t child;

    mine.reason = reason;
    *reason = 0;
    fflush(NULL);
    child = fork();
    must(child >= 0, "no process");
    if (child == 0) {
        int sink = output >= 0 ? output : open("/dev/null", O_WRONLY);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setrlimit(RLIMIT_CPU, &busy);
        alarm(HANG_WAITS);
        dup2(sink, STDOUT_FILENO);
        dup2(sink, STDERR_FILENO);
        program_run(&mine, chip, &facts);
        libtpms_chip_free(chip);
        /* By way of exit(), for the leak check of a sanitizer. */
        exit(MODEL_EXIT_OK);
    }
    must(waitpid(child, &outcome.status, 0) == child, "no status of a program");
    outcome.reason = *reason;
    outcome.passed = WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == MODEL_EXIT_OK;
    return outcome;
}

static struct outcome run_part(const struct program *program, const unsigned *steps, unsigned count)
{
    struct program part = *program;

    part.steps = steps;
    part.step_count = count;
    return runner_run(&part, -1);
}

/* Leaves out blocks of steps, of half the program at first, of single steps in the end. */
void runner_shrink(const struct program *program, unsigned *steps, unsigned *count)
{
    unsigned *part = calloc(*count + 1, sizeof(*part));
    struct outcome first = run_part(program, steps, *count), outcome;
    unsigned runs = 0;

    must(part != NULL, "no memory");
    for (unsigned block = (*count + 1) / 2; block > 0 && runs < SHRINK_RUNS;) {
        bool smaller = false;

        for (unsigned from = 0; from < *count && runs < SHRINK_RUNS;) {
            unsigned to = from + block < *count ? from + block : *count;

            memcpy(part, steps, from * sizeof(*part));
            memcpy(part + from, steps + to, (*count - to) * sizeof(*part));
            runs++;
            outcome = run_part(program, part, *count - (to - from));
            if (outcome.passed || outcome.reason != first.reason) {
                from = to;
                continue;
            }
            *count -= to - from;
            memcpy(steps, part, *count * sizeof(*part));
            smaller = true;
        }
        if (block > 1)
            block = (block + 1) / 2;
        else if (!smaller)
            break;
    }
    free(part);
}
