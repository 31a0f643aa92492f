#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

static const char HEAD[] = "schema: nereid/1\nname: small\nsimulator: {plugin: bump}\n";

static int load(arena *a, const char *text, size_t n_sweep, const char *const *axes,
                size_t n_set, const char *const *set, experiment **one, sweep **many)
{
    config_request r = {.path = "test.yaml",
                        .plugins = test_plugins(),
                        .n_set = n_set,
                        .set = set,
                        .n_sweep = n_sweep,
                        .sweep = axes};
    text = arena_print(a, "%s%s", HEAD, text);
    return config_from_text(&r, text, strlen(text), a, one, many);
}

static const sweep *right(arena *a, const char *text)
{
    experiment *one = NULL;
    sweep *many = NULL;
    cr_assert_eq(load(a, text, 0, NULL, 0, NULL, &one, &many), NRE_OK, "%s",
                 error_message());
    cr_assert_null(one);
    cr_assert_not_null(many);
    return many;
}

static const char *wrong(arena *a, const char *text)
{
    experiment *one = NULL;
    sweep *many = NULL;
    cr_assert_eq(load(a, text, 0, NULL, 0, NULL, &one, &many), NRE_ECONFIG);
    cr_assert(!one && !many);
    return error_message();
}

static const char *value(const sweep *s, size_t cell, const char *path)
{
    const node *n = experiment_find(s->cells[cell].experiment, path);
    cr_assert_not_null(n, "%s", path);
    return n->text;
}

Test(sweep, is_the_product_of_its_axes_the_last_one_fastest)
{
    arena *a = arena_new();
    const sweep *s =
        right(a, "train: {epochs: 3}\n"
                 "sweep:\n"
                 "  axes:\n"
                 "    size: {small: {datasets: {train: {n: 2000}}}, large: {}}\n"
                 "    lr: {slow: {train: {optimizer: {lr: 1e-4}}},\n"
                 "         fast: {train: {optimizer: {lr: 1e-2}}},\n"
                 "         as-is: {}}\n"
                 "  replicates: 2\n");
    static const char *const NAMES[] = {"small,slow", "small,fast", "small,as-is",
                                        "large,slow", "large,fast", "large,as-is"};
    cr_assert_eq(s->n_cells, 6);
    cr_assert_eq(s->replicates, 2);
    cr_assert_str_eq(s->name, "small");
    for (size_t i = 0; i < 6; i++) {
        cr_assert_str_eq(s->cells[i].name, NAMES[i]);
        cr_assert_str_eq(value(s, i, "train.epochs"), "3");
        cr_assert_str_eq(value(s, i, "datasets.train.n"), i < 3 ? "2000" : "100000");
        cr_assert_null(experiment_find(s->cells[i].experiment, "sweep"));
    }
    cr_assert_str_eq(s->axes[1].name, "lr");
    cr_assert_str_eq(s->cells[4].labels[1], "fast");
    cr_assert_eq(s->cells[4].experiment->train.optimizer.lr, 1e-2);
    cr_assert_eq(s->cells[5].experiment->train.optimizer.lr, 1e-3);
    arena_free(a);
}

Test(sweep, merges_maps_and_replaces_the_rest)
{
    arena *a = arena_new();
    const sweep *s =
        right(a, "architecture: {plugin: mlp, params: {layers: [8, 8]}}\n"
                 "infer: {target: [mu, sigma]}\n"
                 "parameters: {mu: {prior: {normal: [0, 1]}}}\n"
                 "sweep:\n"
                 "  axes:\n"
                 "    a:\n"
                 "      same: {architecture: {params: {layers: [4]}}}\n"
                 "      other: {architecture: {plugin: resnet, params: {depth: 18}}}\n"
                 "    b:\n"
                 "      mu: {infer: {target: mu},\n"
                 "           parameters: {mu: {prior: {uniform: [0, 2]}}}}\n");
    const experiment *same = s->cells[0].experiment, *other = s->cells[1].experiment;
    cr_assert_eq(experiment_find(same, "architecture.params.layers")->n, 1);
    cr_assert_null(experiment_find(other, "architecture.params.layers"));
    cr_assert_str_eq(other->architecture.name, "resnet");
    cr_assert_eq(same->infer.targets[0].n, 1);
    cr_assert_eq(same->overrides[0].prior, NRE_UNIFORM);
    const node *n = experiment_find(same, "architecture.params.layers");
    cr_assert_str_eq(n->origin, "test.yaml");
    cr_assert_eq(n->line, 10);
    arena_free(a);
}

Test(sweep, takes_axes_and_values_of_the_command_line)
{
    arena *a = arena_new();
    experiment *one = NULL;
    sweep *s = NULL;
    static const char *const AXES[] = {"train.batch_size=[64, 256]",
                                       "infer.target=[[mu], [mu, sigma], all]"};
    static const char *const SET[] = {"train.epochs=7", "sweep.replicates=3"};
    cr_assert_eq(load(a, "", 2, AXES, 2, SET, &one, &s), NRE_OK, "%s", error_message());
    cr_assert_eq(s->n_cells, 6);
    cr_assert_eq(s->replicates, 3);
    cr_assert_str_eq(s->cells[1].name, "64,mu+sigma");
    cr_assert_eq(s->cells[1].experiment->infer.targets[0].n, 2);
    cr_assert_eq(s->cells[5].experiment->train.batch_size, 256);
    cr_assert_str_eq(value(s, 5, "train.epochs"), "7");
    cr_assert_eq(load(a, "sweep: {axes: {w: {x: {train: {epochs: 2}}}}}\n", 1, AXES, 1,
                      SET, &one, &s),
                 NRE_OK);
    cr_assert_str_eq(s->cells[1].name, "x,256");
    cr_assert_eq(s->cells[1].experiment->train.epochs, 7, "--set holds for all cells");
    arena_free(a);
}

Test(sweep, refuses_wrong_axes_of_the_command_line)
{
    static const struct {
        const char *axis, *says;
    } CASES[] = {
        {"train.epocs=[1, 2]",
         "--sweep train.epocs=[1, 2]: error: no key 'train.epocs'; did "
         "you mean: --sweep train.epochs=[1, 2]"},
        {"train.epochs", "--sweep train.epochs: error: expected PATH=VALUE, as in "
                         "train.epochs=[5, 50]"},
        {"train.epochs=5", "--sweep train.epochs=5: error: expected a list of values for "
                           "'train.epochs', as in [1, 2]"},
        {"train.epochs=[]",
         "--sweep train.epochs=[]: error: expected a list of values for "
         "'train.epochs', as in [1, 2]"},
        {"train.epochs=[5, 5]", "--sweep train.epochs=[5, 5]: error: '5' twice"},
        {"train.loss=[{name: nre_a}]",
         "--sweep train.loss=[{name: nre_a}]: error: a value of "
         "'train.loss' is a map, which makes no label\n"
         "  write the axis in the config"},
        {"train.epochs=[5, x]", "--sweep train.epochs=[5, x]: error: train.epochs = x, "
                                "expected an integer in 1..1000000 (in cell x)"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        arena *a = arena_new();
        experiment *one = NULL;
        sweep *s = NULL;
        cr_assert_eq(load(a, "", 1, &CASES[i].axis, 0, NULL, &one, &s), NRE_ECONFIG, "%s",
                     CASES[i].axis);
        cr_assert_str_eq(error_message(), CASES[i].says);
        arena_free(a);
    }
}

Test(sweep, makes_one_experiment_of_a_config_without_sweep)
{
    arena *a = arena_new();
    experiment *one = NULL;
    sweep *s = NULL;
    cr_assert_eq(load(a, "", 0, NULL, 0, NULL, &one, &s), NRE_OK);
    cr_assert_not_null(one);
    cr_assert_null(s);
    const char *text =
        arena_print(a, "%ssweep: {axes: {a: {b: {train: {epochs: 2}}}}}\n", HEAD);
    config_request r = {.path = "test.yaml", .plugins = test_plugins()};
    cr_assert_eq(experiment_from_text(&r, text, strlen(text), a, &one), NRE_OK);
    cr_assert_eq(one->train.epochs, 30,
                 "a sweep is left out where one experiment is asked");
    arena_free(a);
}

Test(sweep, makes_replicates_of_a_cell)
{
    arena *a = arena_new();
    const sweep *s = right(a, "sweep: {axes: {a: {b: {}}}, replicates: 2}\n");
    experiment *e = s->cells[0].experiment;
    const char *prefix = "train";
    const char *before = experiment_inputs(e, a, 1, &prefix);
    cr_assert_eq(experiment_replicate(e, a, 1), NRE_OK);
    cr_assert_eq(e->train.replicate, 1);
    cr_assert_str_neq(experiment_inputs(e, a, 1, &prefix), before);
    cr_assert_not_null(strstr(experiment_text(e, a), "  replicate: 1\n"));
    cr_assert_not_null(strstr(wrong(a, "train: {replicate: 1}\n"
                                       "sweep: {axes: {a: {b: {}}}, replicates: 2}\n"),
                              "train.replicate is what sweep.replicates counts"));
    arena_free(a);
}

Test(sweep, refuses_too_many_cells)
{
    arena *a = arena_new();
    const char *axis = "";
    for (size_t i = 0; i < 32; i++)
        axis = arena_print(a, "%sl%zu: {}, ", axis, i);
    const char *text = arena_print(a, "sweep: {axes: {x: {%s}, y: {%s}}}\n", axis, axis);
    cr_assert_not_null(strstr(wrong(a, text), "sweep.axes make more than 1000 cells"));
    arena_free(a);
}

Test(sweep, tells_a_missing_plugin_apart)
{
    arena *a = arena_new();
    experiment *one = NULL;
    sweep *s = NULL;
    cr_assert_eq(load(a,
                      "sweep: {axes: {a: {b: {architecture: {plugin: mpl}}, c: {}}}}\n",
                      0, NULL, 0, NULL, &one, &s),
                 NRE_EPLUGIN);
    cr_assert_not_null(strstr(error_message(), "there is no architecture 'mpl'"));
    cr_assert_not_null(strstr(error_message(), "(in cell b)"));
    arena_free(a);
}

Test(sweep, follows_extends)
{
    arena *a = arena_new();
    char *folder = folder_new(a);
    cr_assert_eq(file_print(path_join(a, folder, "base.yaml"),
                            "schema: nereid/1\nsimulator: {plugin: bump}\n"
                            "sweep: {axes: {a: {b: {}, c: {}}, d: {e: {}}}}\n"),
                 NRE_OK);
    const char *path = path_join(a, folder, "child.yaml");
    cr_assert_eq(file_print(path, "extends: base.yaml\nsweep: {axes: {a: {f: {}}}}\n"),
                 NRE_OK);
    config_request r = {.path = path, .plugins = test_plugins()};
    experiment *one = NULL;
    sweep *s = NULL;
    cr_assert_eq(config_load(&r, a, &one, &s), NRE_OK, "%s", error_message());
    cr_assert_eq(s->n_cells, 1, "an axis of the same name is replaced");
    cr_assert_eq(strlen(s->cells[0].name), 3);
    folder_remove(folder);
    arena_free(a);
}
