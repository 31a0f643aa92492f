/* Shards: interrupted, damaged, extended and resumed, the rows are the same. */
#include "support.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N = 2300, SHARD = 500 };

static simulator *s;

static void begin(void)
{
    temporary_folder();
    mock_fault = FAULT_CHANCE;
    s = mock_open(true);
}

static void end(void)
{
    simulator_close(s);
}

TestSuite(dataset, .init = begin, .fini = end);

static dataset_plan plan_of(const char *folder, size_t n)
{
    return (dataset_plan){
        .folder = folder,
        .draw = {.seed = 11, .purpose = "train", .n = n, .on_invalid = 2, .clean = true},
        .shard_rows = SHARD,
        .fingerprint = "f1"};
}

static int make_as(const char *folder, size_t n, unsigned threads, progress *watch,
                   tally *count, validity *v)
{
    pool *p;
    dataset_plan plan = plan_of(folder, n);
    cr_assert_eq(pool_new(threads, &p), 0);
    int status = dataset_make(s, &plan, p, watch, count, v);
    pool_free(p);
    return status;
}

static dataset *made(const char *folder, size_t n, unsigned threads)
{
    dataset *d;
    cr_assert_eq(make_as(folder, n, threads, NULL, NULL, NULL), 0, "%s", error_message());
    cr_assert_eq(dataset_open(folder, &d), 0, "%s", error_message());
    return d;
}

static bool same_file(const char *a, const char *b)
{
    hash one, two;
    cr_assert_eq(hash_file(a, 0, &one), 0, "%s", error_message());
    cr_assert_eq(hash_file(b, 0, &two), 0, "%s", error_message());
    return hash_equal(one, two);
}

static void same_folders(const char *a, const char *b)
{
    for (int k = 0; k <= N / SHARD; k++) {
        const char *name = path_of("%s/shard-%05d.h5", strrchr(a, '/') + 1, k);
        cr_assert(same_file(name, path_of("%s/shard-%05d.h5", strrchr(b, '/') + 1, k)),
                  "%s", name);
    }
    cr_assert(same_file(path_of("%s/manifest.json", strrchr(a, '/') + 1),
                        path_of("%s/manifest.json", strrchr(b, '/') + 1)));
}

Test(dataset, holds_what_is_drawn)
{
    dataset *d = made(path_of("a"), N, 2);
    double *theta = malloc(N * 2 * sizeof *theta);
    float *x = malloc(N * 5 * sizeof *x);
    draw all = plan_of("", N).draw;
    tally count = {0};
    cr_assert_eq(simulator_draw(s, NULL, NULL, &all, theta, x, NULL, &count, NULL), 0);
    cr_assert_eq(dataset_n(d), N);
    cr_assert_eq(dataset_n_theta(d), 2);
    cr_assert_eq(dataset_n_x(d), 5);
    cr_assert(dataset_is_clean(d));
    cr_assert_str_eq(dataset_fingerprint(d), "f1");
    cr_assert_arr_eq(dataset_tally(d), &count, sizeof count);
    for (uint64_t i = 0; i < N; i++) {
        cr_assert_arr_eq(dataset_theta(d, i), theta + 2 * i, 2 * sizeof *theta);
        cr_assert_arr_eq(dataset_x(d, i), x + 5 * i, 5 * sizeof *x);
    }
    dataset_close(d);
    free(theta), free(x);
}

Test(dataset, threads_change_nothing)
{
    dataset *one = made(path_of("a"), N, 1), *three = made(path_of("b"), N, 3);
    cr_assert(hash_equal(dataset_hash(one), dataset_hash(three)));
    same_folders(path_of("a"), path_of("b"));
    dataset_close(one), dataset_close(three);
}

/* The full shards of the smaller one stay untouched. */
Test(dataset, a_larger_one_extends_a_smaller_one)
{
    struct stat before, after;
    dataset_close(made(path_of("a"), 1200, 1));
    stat(path_of("a/shard-00001.h5"), &before);
    dataset_close(made(path_of("a"), N, 2));
    stat(path_of("a/shard-00001.h5"), &after);
    cr_assert_eq(before.st_ino, after.st_ino);
    dataset_close(made(path_of("b"), N, 2));
    same_folders(path_of("a"), path_of("b"));
    dataset *d = made(path_of("a"), 700, 1);
    cr_assert_eq(dataset_n(d), 700);
    cr_assert_not(file_exists(path_of("a/shard-00002.h5")),
                  "what is beyond the end is gone");
    dataset_close(d);
}

/* Asks to stop after so many rows. */
typedef struct stopper {
    progress api;
    uint64_t after;
} stopper;

static void stop_after(progress *self, const char *what, uint64_t done, uint64_t total,
                       const char *unit, const char *detail)
{
    (void)what, (void)total, (void)unit, (void)detail;
    if (done >= ((stopper *)self)->after)
        stop_request(15);
}

Test(dataset, interrupted_and_resumed)
{
    tally whole = {0}, resumed = {0};
    validity *v = validity_new(simulator_prior(s)), *w = validity_new(simulator_prior(s));
    validity_model *m, *r;
    const char *a = path_of("a"), *b = path_of("b");
    cr_assert_eq(make_as(a, N, 2, NULL, &whole, v), 0);
    for (uint64_t after = 300; after < N; after += 700) {
        stopper stop = {{stop_after}, after};
        cr_assert_eq(make_as(b, N, 2, &stop.api, NULL, NULL), NRE_ECANCELLED);
        stop_request(0);
        cr_assert_not(dataset_is_there(b, "f1"));
        if (after >= 1000)
            cr_assert(file_exists(path_of("b/shard-00000.h5")), "finished shards stay");
    }
    cr_assert_eq(make_as(b, N, 2, NULL, &resumed, w), 0, "%s", error_message());
    same_folders(a, b);
    cr_assert_arr_eq(&whole, &resumed, sizeof whole);
    double p, q, z[2] = {0.8, -1};
    cr_assert_eq(validity_fit(v, 0, NULL, &m), 0);
    cr_assert_eq(validity_fit(w, 0, NULL, &r), 0);
    validity_log(m, 1, z, &p, NULL);
    validity_log(r, 1, z, &q, NULL);
    cr_assert_neq(p, 0);
    cr_assert_eq(p, q, "the same fit of P(valid | theta)");
    validity_model_free(m), validity_model_free(r);
    validity_free(v), validity_free(w);
}

Test(dataset, remembers_all_attempts)
{
    validity *v = validity_new(simulator_prior(s)), *w = validity_new(simulator_prior(s));
    validity_model *m, *r;
    double p, q, z[2] = {0.3, 1};
    cr_assert_eq(make_as(path_of("a"), N, 2, NULL, NULL, v), 0);
    cr_assert_eq(validity_of_dataset(path_of("a"), w), 0, "%s", error_message());
    cr_assert_eq(validity_fit(v, 0, NULL, &m), 0);
    cr_assert_eq(validity_fit(w, 0, NULL, &r), 0);
    validity_log(m, 1, z, &p, NULL);
    validity_log(r, 1, z, &q, NULL);
    cr_assert_eq(p, q);
    validity_model_free(m), validity_model_free(r);
    validity_free(v), validity_free(w);
}

static void flip_byte(const char *path, long at)
{
    FILE *f = fopen(path, "r+b");
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    int c = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(c ^ 1, f);
    fclose(f);
}

static void refused(const char *words)
{
    dataset *d;
    cr_assert_eq(dataset_open(path_of("a"), &d), NRE_EDATA);
    cr_assert(message_has("shard-00002.h5"));
    cr_assert(message_has(words));
    cr_assert(message_has("only this shard is simulated anew"));
    cr_assert_null(d);
}

/* Missing, damaged, cut, or another one's: refused, and made anew alone. */
Test(dataset, damage_is_repaired)
{
    struct stat before, after;
    dataset_close(made(path_of("b"), N, 2));
    for (int how = 0; how < 4; how++) {
        dataset_close(made(path_of("a"), N, 2));
        stat(path_of("a/shard-00001.h5"), &before);
        const char *shard = path_of("a/shard-00002.h5");
        if (how == 0)
            unlink(shard);
        if (how == 1)
            flip_byte(shard, 9000);
        if (how == 2)
            cr_assert_eq(truncate(shard, 700), 0);
        if (how == 3) {
            char *bytes;
            size_t n;
            cr_assert_eq(file_read(path_of("a/shard-00001.h5"), 1 << 24, &bytes, &n), 0);
            cr_assert_eq(file_write(shard, bytes, n), 0);
            free(bytes);
        }
        static const char *const words[] = {"missing", "damaged", "700 bytes",
                                            "manifest"};
        refused(words[how]);
        cr_assert_eq(dataset_is_there(path_of("a"), "f1"), how > 0);
        dataset_close(made(path_of("a"), N, 2));
        stat(path_of("a/shard-00001.h5"), &after);
        cr_assert_eq(before.st_ino, after.st_ino, "other shards are kept");
        same_folders(path_of("a"), path_of("b"));
    }
}

Test(dataset, another_fingerprint_is_made_anew)
{
    pool *p;
    dataset_plan plan = plan_of(path_of("a"), N);
    struct stat before, after;
    dataset_close(made(path_of("a"), N, 1));
    stat(path_of("a/shard-00000.h5"), &before);
    cr_assert(dataset_is_there(plan.folder, "f1"));
    cr_assert_not(dataset_is_there(plan.folder, "f2"));
    cr_assert_not(dataset_is_there(path_of("nowhere"), "f1"));
    plan.fingerprint = "f2";
    cr_assert_eq(pool_new(1, &p), 0);
    cr_assert_eq(dataset_make(s, &plan, p, NULL, NULL, NULL), 0);
    stat(path_of("a/shard-00000.h5"), &after);
    cr_assert_neq(before.st_ino, after.st_ino);
    pool_free(p);
}

Test(dataset, shards_are_about_64_mib)
{
    shards w;
    dataset_plan plan = plan_of(path_of("a"), N);
    plan.shard_rows = 0;
    cr_assert_eq(shards_open(&w, s, &plan, N, true), 0);
    double bytes = (double)w.shard_rows * (2 * 8 + 5 * 4 + 1);
    cr_assert_eq(w.shard_rows % 256, 0);
    cr_assert_float_eq(bytes, 64 * 1048576.0, 0.01 * 64 * 1048576.0);
    shards_close(&w);
}

static void broken_manifest(const char *text)
{
    dataset *d;
    cr_assert_eq(file_print(path_of("a/manifest.json"), "%s", text), 0);
    cr_assert_eq(dataset_open(path_of("a"), &d), NRE_EDATA, "%s", text);
    cr_assert(message_has("manifest.json"));
}

Test(dataset, broken_manifests_are_refused)
{
    dataset *d;
    cr_assert_eq(dataset_open(path_of("a"), &d), NRE_EDATA);
    cr_assert(message_has("no finished dataset"));
    dataset_close(made(path_of("a"), N, 1));
    broken_manifest("");
    broken_manifest("{}");
    broken_manifest("[1, 2]");
    broken_manifest("{\"format\": \"nereid-dataset/1\", \"rows\": \"many\"}");
    const char *whole =
        "{\"format\": \"%s\", \"fingerprint\": \"f1\", \"clean\": true, \"rows\": %s, "
        "\"n_theta\": 2, \"n_x\": %s, \"shard_rows\": %s, \"tally\": {\"attempts\": 1, "
        "\"invalid\": 0, \"truncated\": 0, \"redrawn\": 0}, \"shards\": []}";
    const char *bad[][4] = {{"nereid-dataset/9", "1", "5", "1"},
                            {"nereid-dataset/1", "-1", "5", "1"},
                            {"nereid-dataset/1", "100", "5", "0"},
                            {"nereid-dataset/1", "100", "-5", "10"},
                            {"nereid-dataset/1", "9223372036854775807", "5", "1"},
                            {"nereid-dataset/1", "100", "5", "10"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[600];
        snprintf(text, sizeof text, whole, bad[i][0], bad[i][1], bad[i][2], bad[i][3]);
        broken_manifest(text);
    }
}

/* A fault in the middle: what was finished before stays and is used. */
Test(dataset, a_failure_keeps_finished_shards)
{
    mock_fault = FAULT_NONE;
    dataset_close(made(path_of("b"), N, 1));
    stopper stop = {{stop_after}, 1200};
    cr_assert_eq(make_as(path_of("a"), N, 1, &stop.api, NULL, NULL), NRE_ECANCELLED);
    stop_request(0);
    mock_fault = FAULT_STATE;
    cr_assert_eq(make_as(path_of("a"), N, 1, NULL, NULL, NULL), NRE_EPLUGIN);
    cr_assert(file_exists(path_of("a/shard-00001.h5")));
    mock_fault = FAULT_NONE;
    dataset_close(made(path_of("a"), N, 1));
    same_folders(path_of("a"), path_of("b"));
}
