#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

Test(schema, is_well_formed)
{
    arena *a = arena_new();
    size_t n = 0;
    const schema_key *keys = schema_keys(&n);
    for (size_t i = 0; i < n; i++) {
        const schema_key *k = &keys[i];
        cr_assert_eq(schema_find(k->path), k, "%s twice", k->path);
        size_t length = strlen(k->help);
        cr_assert(length > 5 && k->help[length - 1] == '.', "%s", k->path);
        cr_assert_str_neq(key_expects(k, a), "a value", "%s", k->path);
        bool is_word = k->type == KEY_WORD || k->type == KEY_CHOICE ||
                       k->type == KEY_FLAG || k->type == KEY_WORDS;
        cr_assert_eq(is_word, k->choices != NULL, "%s", k->path);
        cr_assert_eq(k->type == KEY_PLUGIN, k->kind != 0, "%s", k->path);
        bool is_number = k->type == KEY_INT;
        cr_assert(!is_number || k->lo < k->hi, "%s", k->path);
    }
    arena_free(a);
}

Test(schema, finds_keys_behind_names)
{
    cr_assert_str_eq(schema_find("parameters.beta.prior")->path, "parameters.*.prior");
    cr_assert_str_eq(schema_find("train.epochs")->path, "train.epochs");
    cr_assert_null(schema_find("train.epoch"));
    cr_assert_null(schema_find("train."));
    cr_assert_null(schema_find(""));
    cr_assert_null(schema_find("parameters..prior"));
    cr_assert_null(schema_find("train.epochs.x"));
}

Test(schema, explains_a_key)
{
    arena *a = arena_new();
    const char *text = NULL;
    cr_assert_eq(schema_explain("train.batch_size", a, &text), NRE_OK);
    cr_assert_str_eq(text, "train.batch_size   an integer in 2..100000000, default 1024\n"
                           "  Joint pairs a step.\n");
    cr_assert_eq(schema_explain("datasets.test", a, &text), NRE_OK);
    cr_assert_not_null(strstr(text, "  n              an integer >= 1, default 20000\n"));
    cr_assert_eq(schema_explain("parameters.mu.prior", a, &text), NRE_OK);
    cr_assert_not_null(strstr(text, "  beta: [a, b] or [a, b, lo, hi]\n"));
    arena_free(a);
}

Test(schema, suggests_a_key_to_explain)
{
    arena *a = arena_new();
    const char *text = NULL;
    cr_assert_eq(schema_explain("train.batchsize", a, &text), NRE_EUSAGE);
    cr_assert_str_eq(
        error_message(),
        "no key 'train.batchsize'; did you mean: nereid explain train.batch_size");
    cr_assert_eq(schema_explain("batch_size", a, &text), NRE_EUSAGE);
    cr_assert_str_eq(
        error_message(),
        "no key 'batch_size'; did you mean: nereid explain train.batch_size");
    cr_assert_eq(schema_explain("epocs", a, &text), NRE_EUSAGE);
    cr_assert_str_eq(error_message(),
                     "no key 'epocs'; did you mean: nereid explain train.epochs");
    cr_assert_eq(schema_explain("zzzzzz", a, &text), NRE_EUSAGE);
    cr_assert_not_null(
        strstr(error_message(), "at the top there are: schema, extends, name"));
    arena_free(a);
}

Test(schema, starts_with_a_file_of_defaults)
{
    arena *a = arena_new();
    char *text = arena_copy(a, schema_starter(a)),
         *name = strstr(text, "boarding_school");
    cr_assert_not_null(name);
    memcpy(name, "bump           ", 15);
    experiment *e = NULL, *plain = load_right(a, "");
    cr_assert_eq(load_text(a, text, 0, NULL, &e), NRE_OK, "%s", error_message());
    const char *const all[] = {""};
    cr_assert_str_eq(experiment_inputs(e, a, 1, all),
                     experiment_inputs(plain, a, 1, all));
    arena_free(a);
}

Test(schema, starter_names_every_key)
{
    arena *a = arena_new();
    const char *text = schema_starter(a);
    size_t n = 0;
    const schema_key *keys = schema_keys(&n);
    for (size_t i = 0; i < n; i++)
        cr_assert_not_null(strstr(text, keys[i].help), "%s", keys[i].path);
    arena_free(a);
}
