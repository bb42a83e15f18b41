/* SPDX-License-Identifier: BSD-2-Clause */
/* The two policies of eviction, their ghost lists, and which of them is followed. */
#include "rm/eviction.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ONE       65536 /* a use that was just now */
#define HALF_LIFE 64    /* commands */
#define SLOTS     2
#define THINGS    4

struct cache {
    struct eviction eviction;
    struct eviction_record things[THINGS];
};

static int setup(void **state)
{
    static struct cache cache;

    eviction_init(&cache.eviction);
    for (unsigned i = 0; i < THINGS; i++)
        eviction_record_init(&cache.things[i]);
    *state = &cache;
    return 0;
}

static void use(struct cache *cache, unsigned which, uint64_t now)
{
    eviction_note_use(&cache->eviction, &cache->things[which], SLOTS, now);
}

static bool leaves_before(const struct cache *cache, unsigned a, unsigned b, uint64_t now)
{
    return eviction_leaves_before(&cache->eviction, &cache->things[a], &cache->things[b], now);
}

/* Has one of the policies be followed, whatever was used. */
static void follow(struct cache *cache, enum eviction_policy policy)
{
    for (unsigned i = 0; i < EVICTION_POLICIES; i++)
        cache->eviction.policies[i].misses = i == policy ? 0 : 1;
}

/* No ghosts, so that the rule alone decides. */
static void forget_ghosts(struct cache *cache)
{
    for (unsigned i = 0; i < THINGS; i++)
        eviction_forget(&cache->eviction, &cache->things[i]);
    assert_int_equal(cache->eviction.policies[EVICTION_RECENCY].count, 0);
    assert_int_equal(cache->eviction.policies[EVICTION_FREQUENCY].count, 0);
}

static bool is_ghost(const struct cache *cache, enum eviction_policy policy, unsigned which)
{
    return !list_empty(&cache->things[which].ghost[policy]);
}

static void expect_ghosts(const struct cache *cache, enum eviction_policy policy, unsigned mask)
{
    unsigned count = 0;

    for (unsigned i = 0; i < THINGS; i++) {
        assert_int_equal(is_ghost(cache, policy, i), mask >> i & 1);
        count += is_ghost(cache, policy, i);
    }
    assert_int_equal(cache->eviction.policies[policy].count, count);
}

static void test_frequency_falls_by_half_lives(void **state)
{
    static const struct {
        uint64_t later;
        uint32_t frequency; /* after one more use then */
    } cases[] = {
        {0, 2 * ONE},
        {HALF_LIFE / 4, 2 * ONE - ONE / 8},
        {HALF_LIFE / 2, 2 * ONE - ONE / 4},
        {HALF_LIFE, ONE + ONE / 2},
        {3 * HALF_LIFE / 2, ONE + ONE / 2 - ONE / 8},
        {16 * HALF_LIFE, ONE + 1},
        {17 * HALF_LIFE, ONE},
        {31 * HALF_LIFE, ONE},
        {32 * HALF_LIFE, ONE},
        {UINT64_C(1) << 40, ONE},
    };
    struct cache *cache = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eviction_forget(&cache->eviction, &cache->things[0]);
        eviction_record_init(&cache->things[0]);
        use(cache, 0, 1000);
        assert_int_equal(cache->things[0].frequency, ONE);
        assert_true(cache->things[0].last_use == 1000);
        use(cache, 0, 1000 + cases[i].later);
        assert_int_equal(cache->things[0].frequency, cases[i].frequency);
        assert_true(cache->things[0].last_use == 1000 + cases[i].later);
    }
    /* A frequency that had been the largest is nothing after so many half-lives. */
    cache->things[0].frequency = UINT32_MAX;
    use(cache, 0, cache->things[0].last_use + 32 * HALF_LIFE);
    assert_int_equal(cache->things[0].frequency, ONE);
    cache->things[0].frequency = UINT32_MAX;
    use(cache, 0, cache->things[0].last_use + 31 * HALF_LIFE);
    assert_int_equal(cache->things[0].frequency, ONE + 1);
}

static void test_recency_lets_the_one_go_that_was_used_longest_ago(void **state)
{
    struct cache *cache = *state;

    use(cache, 0, 5);
    use(cache, 1, 6);
    forget_ghosts(cache);
    follow(cache, EVICTION_RECENCY);
    assert_true(leaves_before(cache, 0, 1, 7));
    assert_false(leaves_before(cache, 1, 0, 7));
    cache->things[0].last_use = 6;
    assert_false(leaves_before(cache, 0, 1, 7));
    assert_false(leaves_before(cache, 1, 0, 7));
}

/* Frequencies are alike within 8 to 5, and of things alike the last used one goes. */
static void test_frequency_lets_the_seldom_used_go(void **state)
{
    static const struct {
        uint32_t other;
        bool rare_leaves; /* and not the one that was used last */
    } cases[] = {{8, false}, {5, false}, {12, false}, {13, true}, {100, true}};
    struct cache *cache = *state;

    use(cache, 0, 10); /* rare */
    use(cache, 1, 11);
    forget_ghosts(cache);
    follow(cache, EVICTION_FREQUENCY);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cache->things[0].frequency = 8 * 1024;
        cache->things[1].frequency = cases[i].other * 1024;
        cache->things[0].last_use = 10;
        cache->things[1].last_use = 11;
        assert_int_equal(leaves_before(cache, 0, 1, 11), cases[i].rare_leaves);
        assert_int_equal(leaves_before(cache, 1, 0, 11), !cases[i].rare_leaves);
    }
    /* Just alike: 8 to 5 and 5 to 8. */
    cache->things[0] = (struct eviction_record){.frequency = 8, .last_use = 11};
    cache->things[1] = (struct eviction_record){.frequency = 5, .last_use = 11};
    for (unsigned i = 0; i < EVICTION_POLICIES; i++) {
        list_init(&cache->things[0].ghost[i]);
        list_init(&cache->things[1].ghost[i]);
    }
    assert_false(leaves_before(cache, 0, 1, 11));
    assert_false(leaves_before(cache, 1, 0, 11));
    cache->things[1].frequency = 4;
    assert_false(leaves_before(cache, 0, 1, 11));
    assert_true(leaves_before(cache, 1, 0, 11));
    cache->things[0].frequency = 2;
    assert_true(leaves_before(cache, 0, 1, 11));
    assert_false(leaves_before(cache, 1, 0, 11));
}

/* With as many ghosts as there are slots, one goes for each that comes. */
static void test_ghost_lists_are_what_a_policy_alone_would_keep(void **state)
{
    struct cache *cache = *state;

    use(cache, 0, 1);
    expect_ghosts(cache, EVICTION_RECENCY, 1);
    expect_ghosts(cache, EVICTION_FREQUENCY, 1);
    use(cache, 1, 2);
    expect_ghosts(cache, EVICTION_RECENCY, 3);
    expect_ghosts(cache, EVICTION_FREQUENCY, 3);
    /* By recency 0 goes; by frequency both are alike, and 1 was used last. */
    use(cache, 2, 3);
    expect_ghosts(cache, EVICTION_RECENCY, 6);
    expect_ghosts(cache, EVICTION_FREQUENCY, 5);
    /* Which is there already pushes nothing out. */
    use(cache, 2, 4);
    expect_ghosts(cache, EVICTION_RECENCY, 6);
    expect_ghosts(cache, EVICTION_FREQUENCY, 5);
    /* 0 is the rare one now. */
    use(cache, 3, 5);
    expect_ghosts(cache, EVICTION_RECENCY, 12);
    expect_ghosts(cache, EVICTION_FREQUENCY, 12);
    /* Fewer slots, as when the reserve has become larger. */
    eviction_note_use(&cache->eviction, &cache->things[0], 1, 6);
    expect_ghosts(cache, EVICTION_RECENCY, 1);
    expect_ghosts(cache, EVICTION_FREQUENCY, 1);
    eviction_note_use(&cache->eviction, &cache->things[1], 0, 7);
    expect_ghosts(cache, EVICTION_RECENCY, 2);
    eviction_forget(&cache->eviction, &cache->things[1]);
    expect_ghosts(cache, EVICTION_RECENCY, 0);
    expect_ghosts(cache, EVICTION_FREQUENCY, 0);
}

static uint32_t misses(const struct cache *cache, enum eviction_policy policy)
{
    return cache->eviction.policies[policy].misses;
}

/* Each miss counts, less with each use, and the policy that had fewer is followed. */
static void test_policy_with_fewer_misses_is_followed(void **state)
{
    struct cache *cache = *state;
    uint32_t expected = ONE;

    use(cache, 0, 1);
    assert_int_equal(misses(cache, EVICTION_RECENCY), ONE);
    assert_int_equal(misses(cache, EVICTION_FREQUENCY), ONE);
    use(cache, 0, 2);
    expected -= expected * 22 / 1024;
    assert_int_equal(misses(cache, EVICTION_RECENCY), expected);
    use(cache, 1, 3);
    expected += ONE - (uint32_t)((uint64_t)expected * 22 / 1024);
    assert_int_equal(misses(cache, EVICTION_RECENCY), expected);
    assert_int_equal(misses(cache, EVICTION_FREQUENCY), expected);
    forget_ghosts(cache);

    /* Of 0 and 1, which are not alike, recency lets 0 go and frequency 1. */
    cache->things[0].frequency = 10 * ONE;
    assert_true(leaves_before(cache, 0, 1, 3));
    cache->eviction.policies[EVICTION_RECENCY].misses++;
    assert_false(leaves_before(cache, 0, 1, 3));
    assert_true(leaves_before(cache, 1, 0, 3));
    cache->eviction.policies[EVICTION_FREQUENCY].misses += 2;
    assert_true(leaves_before(cache, 0, 1, 3));
}

/* What the policy alone would not have in a slot goes first. */
static void test_ghosts_stay(void **state)
{
    struct cache *cache = *state;

    use(cache, 0, 1);
    use(cache, 1, 2);
    use(cache, 2, 3);
    follow(cache, EVICTION_RECENCY);
    assert_true(leaves_before(cache, 0, 1, 3));
    assert_false(leaves_before(cache, 1, 0, 3));
    assert_true(leaves_before(cache, 1, 2, 3));
    follow(cache, EVICTION_FREQUENCY);
    assert_true(leaves_before(cache, 1, 0, 3));
    assert_false(leaves_before(cache, 0, 1, 3));
    assert_true(leaves_before(cache, 2, 0, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_frequency_falls_by_half_lives, setup),
        cmocka_unit_test_setup(test_frequency_lets_the_seldom_used_go, setup),
        cmocka_unit_test_setup(test_ghost_lists_are_what_a_policy_alone_would_keep, setup),
        cmocka_unit_test_setup(test_ghosts_stay, setup),
        cmocka_unit_test_setup(test_policy_with_fewer_misses_is_followed, setup),
        cmocka_unit_test_setup(test_recency_lets_the_one_go_that_was_used_longest_ago, setup),
    };

    return cmocka_run_group_tests_name("rm-eviction", tests, NULL, NULL);
}
