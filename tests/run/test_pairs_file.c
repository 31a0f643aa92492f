/* Test pairs to a file and back. */
#include "run/run.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct trial {
    char folder[64], path[96];
    pair_standing standing[4];
    double theta[8];
    pair_set pairs;
} trial;

static void trial_open(trial *t)
{
    *t = (trial){
        .folder = "/tmp/pairs-XXXXXX",
        .standing = {{.at = {0.25, 1.5}, .log_ratio = -2, .gain = 0.5},
                     {.log_ratio = 3, .missing = true, .at = {0, 0.75}},
                     {.log_ratio = 4, .missing = true, .lost = true},
                     {.at = {1, INFINITY}, .log_ratio = -INFINITY, .gain = -INFINITY}},
        .theta = {1, 2, 3, 4, 5, 6, 7, 8}};
    cr_assert_not_null(mkdtemp(t->folder));
    snprintf(t->path, sizeof t->path, "%s/pairs.h5", t->folder);
    t->pairs = (pair_set){.n = 4,
                          .dim = 2,
                          .standing = t->standing,
                          .deviances = true,
                          .snap = true,
                          .theta = t->theta};
}

static void trial_close(trial *t)
{
    unlink(t->path);
    cr_assert_eq(rmdir(t->folder), 0);
}

Test(pairs_file, round_trip)
{
    trial t;
    pair_set *back = NULL;
    trial_open(&t);
    cr_assert_eq(pairs_save(&t.pairs, t.path), 0, "%s", error_message());
    cr_assert_eq(pairs_load(t.path, &back), 0, "%s", error_message());
    cr_assert_eq(back->n, 4);
    cr_assert_eq(back->dim, 2);
    cr_assert(back->snap && back->deviances);
    cr_assert_arr_eq(back->theta, t.theta, sizeof t.theta);
    for (size_t i = 0; i < 4; i++) {
        const pair_standing *a = &t.standing[i], *b = &back->standing[i];
        cr_assert_eq(a->missing, b->missing, "pair %zu", i);
        cr_assert_eq(a->lost, b->lost, "pair %zu", i);
        cr_assert_eq(a->at.rank, b->at.rank);
        cr_assert_eq(a->at.deviance, b->at.deviance);
        cr_assert_eq(a->log_ratio, b->log_ratio);
        cr_assert_eq(a->gain, b->gain);
    }
    pairs_free(back);
    trial_close(&t);
}

Test(pairs_file, columns_are_as_documented)
{
    trial t;
    store *f = NULL;
    double rows[16];
    trial_open(&t);
    t.pairs.deviances = false;
    cr_assert_eq(pairs_save(&t.pairs, t.path), 0);
    cr_assert_eq(store_open(t.path, &f), 0);
    cr_assert_eq(store_get(f, "pairs", STORE_F64, 16, rows), 0);
    store_close(f);
    cr_assert_eq(rows[0], 0.5);
    cr_assert_eq(rows[1], -2);
    cr_assert_eq(rows[2], 0.25);
    cr_assert(isnan(rows[3]) && isnan(rows[4]) && isnan(rows[6]) && !isnan(rows[5]));
    trial_close(&t);
}

Test(pairs_file, damage_and_other_files_are_refused)
{
    trial t;
    store *f = NULL;
    pair_set *back = NULL;
    const uint64_t dim[] = {2, 3};
    trial_open(&t);
    cr_assert_eq(pairs_load(t.path, &back), NRE_EDATA);
    cr_assert_null(back);
    cr_assert_eq(store_create(t.path, &f), 0);
    cr_assert_eq(store_put(f, "pairs", STORE_F64, 2, dim, t.theta), 0);
    cr_assert_eq(store_put(f, "theta", STORE_F64, 2, dim, t.theta), 0);
    cr_assert_eq(store_commit(f), 0);
    cr_assert_eq(pairs_load(t.path, &back), NRE_EDATA);
    cr_assert_null(back);
    cr_assert_eq(pairs_save(&t.pairs, t.path), 0);
    FILE *damaged = fopen(t.path, "r+b");
    cr_assert_eq(fseek(damaged, 1500, SEEK_SET), 0);
    cr_assert(fputc('!', damaged) == '!');
    fclose(damaged);
    cr_assert_eq(pairs_load(t.path, &back), NRE_EDATA);
    cr_assert_null(back);
    trial_close(&t);
}
