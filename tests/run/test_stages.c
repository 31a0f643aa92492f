/* What is done, and why a stage runs again. */
#include "run/run.h"
#include "scratch.h"

#include <math.h>
#include <unistd.h>

typedef struct table {
    scratch s;
    arena *a;
    stages *stages;
} table;

static table table_new(void)
{
    table t = {.s = scratch_new(), .a = arena_new()};
    cr_assert_eq(stages_open(scratch_path(&t.s, "stages.json"), &t.stages), NRE_OK);
    return t;
}

static void table_free(table *t)
{
    stages_free(t->stages);
    arena_free(t->a);
    scratch_free(&t->s);
}

static void reopen(table *t)
{
    stages_free(t->stages);
    cr_assert_eq(stages_open(scratch_path(&t->s, "stages.json"), &t->stages), NRE_OK,
                 "%s", error_message());
}

static void runs(const table *t, const char *inputs, const char *why)
{
    const char *reason = NULL;
    cr_assert_not(stage_is_done(t->stages, "train/all", inputs, t->a, &reason));
    cr_assert_str_eq(reason, why);
}

static void is_reused(const table *t, const char *inputs)
{
    const char *reason = NULL;
    cr_assert(stage_is_done(t->stages, "train/all", inputs, t->a, &reason));
    cr_assert_str_eq(reason, "same inputs");
}

static const char INPUTS[] = "seed = 1\ntrain.epochs = 30\ntrain.lr = 0.001\n";

Test(stages, remember_across_processes)
{
    table t = table_new();
    runs(&t, INPUTS, "never ran");
    cr_assert(isnan(stage_seconds(t.stages, "train/all")));
    cr_assert_eq(stage_done(t.stages, "train/all", INPUTS, 1.5), NRE_OK);
    reopen(&t);
    is_reused(&t, INPUTS);
    cr_assert_float_eq(stage_seconds(t.stages, "train/all"), 1.5, 0);
    table_free(&t);
}

Test(stages, reasons_name_the_key)
{
    table t = table_new();
    cr_assert_eq(stage_done(t.stages, "train/all", INPUTS, 1), NRE_OK);
    runs(&t, "seed = 1\ntrain.epochs = 20\ntrain.lr = 0.001\n",
         "train.epochs changed: 30 -> 20");
    runs(&t, "seed = 2\ntrain.epochs = 20\ntrain.lr = 0.001\n", "seed changed: 1 -> 2");
    runs(&t, "seed = 1\ntrain.clip = 3\ntrain.epochs = 30\ntrain.lr = 0.001\n",
         "train.clip is new");
    runs(&t, "seed = 1\ntrain.epochs = 30\n", "an input is gone");
    runs(&t, "seed = 1\ntrain.epochs = 30\ntrain.lr = 0.001", "an input is gone");
    table_free(&t);
}

/* A key that begins like another is another. */
Test(stages, keys_are_whole_words)
{
    table t = table_new();
    cr_assert_eq(stage_done(t.stages, "train/all", "a.b = 1\na.bc = 2\n", 1), NRE_OK);
    runs(&t, "a.b = 1\na.bc = 3\n", "a.bc changed: 2 -> 3");
    runs(&t, "a.b = 2\na.bc = 2\n", "a.b changed: 1 -> 2");
    table_free(&t);
}

Test(stages, checksums_are_not_shown)
{
    static const char OLD[] = "simulate/train = 0123456789abcdef0123456789abcdef\n";
    static const char NEW[] = "simulate/train = 1123456789abcdef0123456789abcdef\n";
    table t = table_new();
    cr_assert_eq(stage_done(t.stages, "train/all", OLD, 1), NRE_OK);
    runs(&t, NEW, "simulate/train changed");
    table_free(&t);
}

/* Before its outputs are overwritten a stage is no longer done, whatever happens then. */
Test(stages, forget)
{
    table t = table_new();
    cr_assert_eq(stage_forget(t.stages, "train/all"), NRE_OK);
    cr_assert_eq(stage_done(t.stages, "train/all", INPUTS, 1), NRE_OK);
    cr_assert_eq(stage_done(t.stages, "simulate/train", INPUTS, 1), NRE_OK);
    cr_assert_eq(stage_forget(t.stages, "train/all"), NRE_OK);
    reopen(&t);
    runs(&t, INPUTS, "never ran");
    const char *reason;
    cr_assert(stage_is_done(t.stages, "simulate/train", INPUTS, t.a, &reason));
    table_free(&t);
}

Test(stages, damaged_list_means_that_all_runs)
{
    static const char *const TEXTS[] = {"{\"train/all\": {\"inputs\"", "[]", "",
                                        "{\"train/all\": 3}"};
    log_level(NRE_ERROR);
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        table t = table_new();
        cr_assert_eq(file_print(scratch_path(&t.s, "stages.json"), "%s", TEXTS[i]),
                     NRE_OK);
        reopen(&t);
        runs(&t, INPUTS, "never ran");
        cr_assert_eq(stage_done(t.stages, "train/all", INPUTS, 1), NRE_OK);
        is_reused(&t, INPUTS);
        table_free(&t);
    }
}

Test(stages, folder_that_is_gone_is_an_error)
{
    table t = table_new();
    rmdir(t.s.folder);
    cr_assert_lt(stage_done(t.stages, "train/all", INPUTS, 1), 0);
    table_free(&t);
}
