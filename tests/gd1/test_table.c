/* What tables are laid out by, at the ends of the options; their numbers: test_stream.c. */
#include "gd1.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const progenitor ORIGINAL = {.spread_age = 0.1145563362768931};

static table_plan plan(void)
{
    return (table_plan){.ages = {3, 7}, .velocity_dispersion = 0.96, .offsets = 6};
}

/* The spread of frequencies is in proportion to the velocity dispersion. */
static progenitor progenitor_for(const table_plan *p)
{
    return (progenitor){.spread_age =
                            ORIGINAL.spread_age * p->velocity_dispersion / 0.96};
}

Test(table, plans)
{
    table_plan p = plan();
    cr_expect_null(table_plan_wrong(&p));
    p.chunks = 3;
    cr_expect_not_null(table_plan_wrong(&p));
    p.chunks = MOST_CHUNKS;
    cr_expect_null(table_plan_wrong(&p));
    p.chunks++;
    cr_expect_not_null(table_plan_wrong(&p));
    p = plan(), p.ages[0] = 7;
    cr_expect_not_null(table_plan_wrong(&p));
    p = plan(), p.ages[1] = NAN;
    cr_expect_not_null(table_plan_wrong(&p));
}

/* Every choice has a table of its own. */
Test(table, keys)
{
    table_plan p[7];
    for (size_t i = 0; i < 7; i++)
        p[i] = plan();
    p[1].ages[0] = 2, p[2].ages[1] = 8, p[3].velocity_dispersion = 1;
    p[4].offsets = 5, p[5].whole_age = 1, p[6].chunks = 12;
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < i; j++)
            cr_expect_neq(table_key(&p[i]), table_key(&p[j]), "%zu %zu", i, j);
}

/* Between the ages of a table there are no other numbers of chunks than those it was laid out for,
 * and no more points than a stream has room for. */
static void check_chunks(const table_plan *p)
{
    progenitor of = progenitor_for(p);
    size_t tracks = 0;
    cr_assert_null(table_plan_wrong(p));
    for (size_t k = 0; k < TIMES; k++) {
        uint32_t least = table_chunks(p, &of, p->ages[0], k), before = least;
        uint32_t most = table_chunks(p, &of, p->ages[1], k);
        cr_assert(least >= 4 && most <= MOST_CHUNKS);
        for (int i = 1; i < 100; i++) {
            double age = p->ages[0] + (p->ages[1] - p->ages[0]) * i / 100;
            uint32_t chunks = table_chunks(p, &of, age, k);
            cr_assert(chunks >= before && chunks <= most, "%zu at %g Gyr", k, age);
            cr_assert_lt(table_time(p, age, k), age * GD1_GYR);
            before = chunks;
        }
        tracks += most - least + 1;
    }
    cr_expect_eq(table_bytes(p, &of),
                 sizeof(stream_table) + tracks * sizeof(track_table));
}

Test(table, chunks)
{
    for (uint32_t i = 0; i < 16; i++) {
        table_plan p = plan();
        p.whole_age = i & 1;
        p.chunks = i & 2 ? MOST_CHUNKS : 0;
        p.velocity_dispersion = i & 4 ? 10 : 0.96;
        p.offsets = i & 8 ? 20 : 6;
        check_chunks(&p);
        p.ages[0] = 1.3, p.ages[1] = 14;
        check_chunks(&p);
    }
}

/* A cubic in 1 / age is met exactly. */
Test(table, weights)
{
    stream_table *t = calloc(1, sizeof *t);
    cr_assert_not_null(t);
    for (size_t i = 0; i < NODES; i++)
        t->node[i].age = 3.1 + (double)(i * i) / 3;
    for (double age = 3; age <= 7; age += 0.37) {
        double weight[NODES], sum = 0;
        table_weights(t, age, weight);
        for (size_t i = 0; i < NODES; i++) {
            double u = 1 / t->node[i].age;
            sum += weight[i] * (2 + u * (3 - u * (5 + 7 * u)));
        }
        double u = 1 / age;
        cr_expect_float_eq(sum, 2 + u * (3 - u * (5 + 7 * u)), 1e-13);
    }
    free(t);
}

/* Tracks end four sigma beyond the mean frequency offset, where next to no star is. */
Test(table, reach)
{
    for (int offsets = 1; offsets <= 20; offsets++) {
        smooth s = smooth_of(ORIGINAL.spread_age, offsets, 5 * GD1_GYR);
        double end = s.reach * s.age;
        cr_expect_float_eq(smooth_density(&s, s.age, end), 3.167124e-5, 1e-10);
        cr_expect_lt(smooth_end(&s, s.age), end);
    }
}
