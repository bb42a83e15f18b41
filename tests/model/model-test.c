/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model test: random programs of several clients, through the resource manager and without
 * one, with the same outcome. In one program of three daemons die, and hand over (deaths.h). A
 * program that fails is shrunk, and printed so that it can be run alone:
 *
 *   model-test --program 17 --steps 3,58,91
 *
 * Other options: --programs COUNT (default 500), --steps-each COUNT (200), --first NUMBER (1),
 * --jobs COUNT (as many as there are processors), --trace (with --program).
 */
#include "runner.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_STEPS    10000
#define MAX_FAILURES 3 /* of a job; then it stops */

struct options {
    unsigned programs, steps_each, jobs;
    unsigned long long first, program;
    bool one, trace;
    unsigned steps[MAX_STEPS], step_count;
};

static unsigned long long number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "model-test: '%s' is no number\n", text);
        exit(64);
    }
    return value;
}

static void read_steps(struct options *options, char *text)
{
    options->step_count = 0;
    for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
        if (options->step_count < MAX_STEPS)
            options->steps[options->step_count++] = (unsigned)number(word);
    }
}

static void read_options(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"programs", required_argument, NULL, 'n'}, {"steps-each", required_argument, NULL, 'e'},
        {"first", required_argument, NULL, 'f'},    {"jobs", required_argument, NULL, 'j'},
        {"program", required_argument, NULL, 'p'},  {"steps", required_argument, NULL, 's'},
        {"trace", no_argument, NULL, 't'},          {0},
    };
    char *steps = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'n':
            options->programs = (unsigned)number(optarg);
            break;
        case 'e':
            options->steps_each = (unsigned)number(optarg);
            break;
        case 'f':
            options->first = number(optarg);
            break;
        case 'j':
            options->jobs = (unsigned)number(optarg);
            break;
        case 'p':
            options->program = number(optarg);
            options->one = true;
            break;
        case 's':
            steps = optarg;
            break;
        case 't':
            options->trace = true;
            break;
        default:
            exit(64);
        }
    }
    if (options->jobs == 0 || options->steps_each >= MAX_STEPS) {
        fprintf(stderr, "model-test: no job, or more than %d steps\n", MAX_STEPS);
        exit(64);
    }
    for (unsigned i = 0; i < options->steps_each; i++)
        options->steps[i] = i + 1;
    options->step_count = options->steps_each;
    if (steps)
        read_steps(options, steps);
}

static struct program program_of(const struct options *options, unsigned long long which)
{
    return (struct program){
        .number = which, .steps = options->steps, .step_count = options->step_count};
}

/* Runs the program and prints what it says as comments of the test protocol. */
static void show(const struct program *program)
{
    FILE *output = tmpfile();
    char line[512];

    if (!output)
        return;
    runner_run(program, fileno(output));
    rewind(output);
    while (fgets(line, sizeof(line), output))
        printf("# %s%s", line, strchr(line, '\n') ? "" : "\n");
    fflush(stdout);
    fclose(output);
}

/* Shrinks a program that failed and shows what is left of it. */
static void report(const struct options *options, unsigned long long which)
{
    struct program program = program_of(options, which);
    unsigned *steps = calloc(options->step_count + 1, sizeof(*steps));
    unsigned count = options->step_count;

    if (!steps)
        return;
    memcpy(steps, options->steps, count * sizeof(*steps));
    runner_shrink(&program, steps, &count);
    printf("# program %llu fails; shrunk: model-test --program %llu --steps ", which, which);
    for (unsigned i = 0; i < count; i++)
        printf("%s%u", i ? "," : "", steps[i]);
    printf("\n");
    program.steps = steps;
    program.step_count = count;
    program.trace = true;
    show(&program);
    free(steps);
}

/* What a program has written to `output`, as comments of the test protocol. */
static void copy_comments(FILE *output)
{
    char line[512];

    rewind(output);
    while (fgets(line, sizeof(line), output))
        fprintf(stderr, "# | %s%s", line, strchr(line, '\n') ? "" : "\n");
}

/* Whether a program passes; one that does not is shown. */
static bool passes(const struct program *program, FILE *output)
{
    struct outcome outcome;

    rewind(output);
    if (ftruncate(fileno(output), 0) != 0)
        return false;
    outcome = runner_run(program, fileno(output));
    if (!outcome.passed) {
        fprintf(stderr, "# program %llu ended with status 0x%x:\n",
                (unsigned long long)program->number, (unsigned)outcome.status);
        copy_comments(output);
    }
    return outcome.passed;
}

/* One job's share of the programs; the numbers of those that fail go to `output`. */
static void work(const struct options *options, unsigned job, int output)
{
    FILE *said = tmpfile();
    unsigned failures = 0;

    if (!said)
        _exit(70);
    for (unsigned i = job; i < options->programs && failures < MAX_FAILURES; i += options->jobs) {
        unsigned long long which = options->first + i;
        struct program program = program_of(options, which);

        if (passes(&program, said))
            continue;
        failures++;
        if (write(output, &which, sizeof(which)) != sizeof(which))
            _exit(70);
    }
    _exit(0);
}

static bool run_all(const struct options *options)
{
    unsigned long long which;
    bool passed = true;
    int pipes[2], status;

    if (pipe(pipes) != 0)
        return false;
    for (unsigned job = 0; job < options->jobs; job++) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            runner_init();
            work(options, job, pipes[1]);
        }
    }
    close(pipes[1]);
    runner_init();
    while (read(pipes[0], &which, sizeof(which)) == sizeof(which)) {
        passed = false;
        report(options, which);
    }
    close(pipes[0]);
    while (wait(&status) > 0)
        passed &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return passed;
}

/* What no chip does: each program must notice. */
static bool notices(const struct options *options, enum chip_watch_fault sabotage)
{
    bool noticed = true;

    for (unsigned long long which = 1; which <= 5; which++) {
        struct program program = program_of(options, which);

        program.sabotage = sabotage;
        noticed &= !runner_run(&program, -1).passed;
    }
    return noticed;
}

/* Whether programs pass in which a daemon dies in each step; else it is no wonder that they notice
 * what goes wrong in others. */
static bool survives(const struct options *options)
{
    FILE *said = tmpfile();
    bool passed = said != NULL;

    for (unsigned long long which = 1; which <= 40 && passed; which++) {
        struct program program = program_of(options, which);

        program.sabotage = CHIP_WATCH_MORTAL;
        passed = passes(&program, said);
    }
    if (said)
        fclose(said);
    return passed;
}

/* Whether a program that an assertion ends has told of each command before, the last one too. */
static bool traces_death(const struct options *options)
{
    struct program program = program_of(options, 1);
    FILE *output = tmpfile();
    struct outcome outcome;
    char line[512] = "";
    bool told;

    if (!output)
        return false;
    program.sabotage = CHIP_WATCH_ABORT;
    program.trace = true;
    outcome = runner_run(&program, fileno(output));
    rewind(output);
    while (fgets(line, sizeof(line), output))
        continue;
    told = WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGABRT
           && strstr(line, "client ") != NULL;
    fclose(output);
    return told;
}

int main(int argc, char **argv)
{
    static struct options options = {.programs = 500, .steps_each = 200, .first = 1};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    bool passed, lie, altered, traced, survived, stale, skipped, twice;

    options.jobs = processors > 0 ? (unsigned)processors : 1;
    read_options(&options, argc, argv);
    if (options.one) {
        struct program program = program_of(&options, options.program);

        program.trace = options.trace;
        runner_init();
        passed = runner_run(&program, STDOUT_FILENO).passed;
        printf("%s\n", passed ? "passed" : "failed");
        return passed ? 0 : 1;
    }
    printf("1..8\n");
    fflush(stdout);
    passed = run_all(&options);
    printf("%sok 1 - model_%u_programs\n", passed ? "" : "not ", options.programs);
    fflush(stdout);
    lie = notices(&options, CHIP_WATCH_LIE);
    printf("%sok 2 - model_notices_a_chip_that_lies\n", lie ? "" : "not ");
    altered = notices(&options, CHIP_WATCH_ALTER);
    printf("%sok 3 - model_notices_an_altered_answer\n", altered ? "" : "not ");
    traced = traces_death(&options);
    printf("%sok 4 - model_traces_what_an_assertion_ends\n", traced ? "" : "not ");
    survived = survives(&options);
    printf("%sok 5 - model_survives_a_death_in_each_step\n", survived ? "" : "not ");
    stale = notices(&options, CHIP_WATCH_STALE);
    printf("%sok 6 - model_notices_a_commit_that_comes_late\n", stale ? "" : "not ");
    skipped = notices(&options, CHIP_WATCH_SKIP);
    printf("%sok 7 - model_notices_a_change_that_is_not_noted\n", skipped ? "" : "not ");
    twice = notices(&options, CHIP_WATCH_TWICE);
    printf("%sok 8 - model_notices_a_command_that_is_sent_twice\n", twice ? "" : "not ");
    return passed && lie && altered && traced && survived && stale && skipped && twice ? 0 : 1;
}
