#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const char RICH[] =
    "schema: nereid/1\n"
    "name: \"Zürich: no 1 \\\"x\\\" \\x85 \\t\"\n"
    "seed: 1978\n"
    "simulator:\n"
    "  plugin: bump\n"
    "  params: {noise: 0.30000000000000004, title: \"- a # b\", tags: [\"1\", \"yes, "
    "no\"]}\n"
    "parameters:\n"
    "  mu: {prior: {truncated_normal: {mean: 0, sd: 1e-3, lo: -1, hi: 1}}}\n"
    "  \"a: b\": {prior: {beta: [1, 2]}}\n"
    "datasets: {calibration: {n: 500}, train: {n: 2e5, shard: 1000}}\n"
    "train: {clip: 1e30, schedule: {name: plateau}}\n"
    "infer:\n"
    "  target: [[mu, \"a: b\"], all, sigma]\n"
    "  observation: {simulate: {at: {mu: 0.1}, n: 5}}\n"
    "  nuisance: per_observation\n"
    "diagnose: {coverage: false, area: {gate: {outside: error}}}\n";

static const char *write(arena *a, const experiment *e, const char *path)
{
    cr_assert_eq(experiment_write_resolved(e, path), NRE_OK, "%s", error_message());
    return file_text(a, path);
}

Test(resolved, reads_back_to_the_same_experiment)
{
    arena *a = arena_new();
    char *folder = folder_new(a), *path = path_join(a, folder, "resolved.yaml");
    experiment *e = NULL, *again = NULL;
    cr_assert_eq(load_text(a, RICH, 0, NULL, &e), NRE_OK, "%s", error_message());
    const char *first = write(a, e, path), *const all[] = {""};
    config_request r = {.path = path, .plugins = test_plugins()};
    cr_assert_eq(experiment_load(&r, a, &again), NRE_OK, "%s", error_message());
    cr_assert_str_eq(write(a, again, path), first);
    cr_assert_str_eq(experiment_inputs(e, a, 1, all),
                     experiment_inputs(again, a, 1, all));
    cr_assert_str_eq(again->name, "Zürich: no 1 \"x\" \xc2\x85 \t");
    cr_assert_str_eq(again->name, e->name);
    cr_assert_eq(again->n_overrides, 2);
    for (size_t i = 0; i < 2; i++) {
        const parameter_override *p = &e->overrides[i], *q = &again->overrides[i];
        cr_assert_str_eq(p->name, q->name);
        cr_assert(p->prior == q->prior && p->a == q->a && p->b == q->b &&
                  p->lo == q->lo && p->hi == q->hi);
    }
    cr_assert_eq(again->infer.n_targets, 3);
    cr_assert_not(again->diagnose.coverage.wanted);
    cr_assert_eq(again->infer.nuisance, NUISANCE_PER_OBSERVATION);
    folder_remove(folder);
    arena_free(a);
}

Test(resolved, has_every_key_with_a_default)
{
    arena *a = arena_new();
    const experiment *e = load_right(a, "");
    size_t n = 0;
    const schema_key *keys = schema_keys(&n);
    for (size_t i = 0; i < n; i++) {
        bool optional =
            strstr(keys[i].path, "calibration") || strstr(keys[i].path, "observation") ||
            strstr(keys[i].path, "limits") || strstr(keys[i].path, "online") ||
            strstr(keys[i].path, "sweep") || strstr(keys[i].path, "calibrate") ||
            strstr(keys[i].path, "rounds") || strstr(keys[i].path, "infer.regions") ||
            strstr(keys[i].path, "diagnose.auc") ||
            strstr(keys[i].path, "diagnose.convergence") ||
            strstr(keys[i].path, "diagnose.l") || keys[i].needs;
        if (keys[i].fallback && !optional)
            cr_assert_not_null(experiment_find(e, keys[i].path), "%s", keys[i].path);
    }
    arena_free(a);
}

Test(resolved, origins_say_where_each_value_was_set)
{
    arena *a = arena_new();
    char *folder = folder_new(a), *path = path_join(a, folder, "origins.json");
    experiment *e = NULL;
    const char *set = "train.epochs=5";
    cr_assert_eq(load_text(a, RICH, 1, &set, &e), NRE_OK, "%s", error_message());
    cr_assert_eq(experiment_write_origins(e, path), NRE_OK, "%s", error_message());
    json_t *all = NULL;
    cr_assert_eq(json_load_path(path, 1 << 20, &all), NRE_OK, "%s", error_message());
    const struct {
        const char *path, *value, *from;
    } WANT[] = {
        {"train.epochs", "5", "--set train.epochs=5"},
        {"train.patience", "10", "default"},
        {"seed", "1978", "test.yaml:3:7"},
        {"simulator.params.bins", "64", "default"},
        {"simulator.params.noise", "0.30000000000000004", "test.yaml:6:19"},
        {"diagnose.coverage", "false", "test.yaml:16:22"},
        {"infer.nuisance", "\"per_observation\"", "test.yaml:15:13"},
        {"parameters.mu.prior", "{\"truncated_normal\": [0, 0.001, -1, 1]}",
         "test.yaml:8:15"},
    };
    for (size_t i = 0; i < sizeof WANT / sizeof WANT[0]; i++) {
        json_t *entry = json_object_get(all, WANT[i].path);
        cr_assert_not_null(entry, "%s", WANT[i].path);
        char *value = json_dumps(json_object_get(entry, "value"),
                                 JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
        json_t *want = json_loads(WANT[i].value, JSON_DECODE_ANY, NULL);
        cr_assert(json_equal(want, json_object_get(entry, "value")), "%s: %s",
                  WANT[i].path, value);
        cr_assert_str_eq(json_string_value(json_object_get(entry, "from")), WANT[i].from);
        json_decref(want);
        free(value);
    }
    json_decref(all);
    folder_remove(folder);
    arena_free(a);
}

static const char *inputs(arena *a, const char *text, const char *prefix)
{
    return experiment_inputs(load_right(a, text), a, 1, &prefix);
}

Test(resolved, inputs_do_not_depend_on_how_they_are_written)
{
    arena *a = arena_new();
    cr_assert_str_eq(inputs(a, "train: {optimizer: {lr: 1.0e-3}, epochs: 30}\n", "train"),
                     inputs(a, "train:\n  epochs: 3e1\n", "train"));
    cr_assert_str_eq(inputs(a, "train: {checkpoint_every: 7}\nname: x\n", ""),
                     inputs(a, "report: {html: false}\n", ""));
    cr_assert_str_neq(inputs(a, "train: {epochs: 31}\n", "train"),
                      inputs(a, "", "train"));
    cr_assert_str_eq(inputs(a, "train: {epochs: 31}\n", "datasets.train"),
                     inputs(a, "", "datasets.train"));
    cr_assert_str_eq(inputs(a, "", "datasets.t"), "");
    cr_assert_str_eq(
        inputs(a, "datasets: {train: {n: 5000, shard: 10}}\n", "datasets.train"),
        "datasets.train.n = 5000\n");
    arena_free(a);
}
