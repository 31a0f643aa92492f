/* Tests of run/export_facts.c: the metadata read back. */
#include "support.h"

static json_t *part_of(const json_t *facts, const char *key)
{
    const char *text = json_string_value(json_object_get(facts, key));
    cr_assert_not_null(text, "no '%s'", key);
    json_t *part = json_loads(text, 0, NULL);
    cr_assert_not_null(part, "%s: %s", key, text);
    return part;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    cr_assert_not_null(text, "no '%s'", key);
    return text;
}

static json_t *facts_of(trial *t, const char *const *settings)
{
    uint8_t scale[] = {NRE_SCALE_LOG, NRE_SCALE_LOG};
    float mean[] = {0.25f, -1}, inverse[] = {2, 0};
    scaling c = {2, scale, mean, inverse}, *scalings = &c;
    json_t *facts = NULL;
    trial_open(t, settings);
    const export_request e = {
        .session = t->session, .target = 1, .first = 3, .n = 1, .scalings = &scalings};
    cr_assert_eq(export_facts(&e, &facts), 0, "%s", error_message());
    return facts;
}

Test(export_facts, architecture_has_its_options)
{
    trial t;
    json_t *facts = facts_of(&t, SETTINGS("train.epochs=1"));
    json_t *part = part_of(facts, "architecture");
    const json_t *options = json_object_get(part, "options");
    cr_assert_str_eq(text_of(part, "plugin"), "mlp");
    cr_assert_str_eq(text_of(options, "activation"), "selu");
    cr_assert(json_is_false(json_object_get(options, "batch_norm")));
    cr_assert_eq(
        json_integer_value(json_array_get(json_object_get(options, "layers"), 0)), 8);
    json_decref(part);
    json_decref(facts);
    trial_close(&t);
}

Test(export_facts, a_list_of_texts_is_a_list)
{
    trial t;
    json_t *facts =
        facts_of(&t, SETTINGS("architecture={plugin: cnn, params: {join: [x]}}",
                              "simulator={plugin: two_moons}"));
    json_t *part = part_of(facts, "architecture");
    const json_t *join = json_object_get(json_object_get(part, "options"), "join");
    cr_assert_eq(json_array_size(join), 1);
    cr_assert_str_eq(json_string_value(json_array_get(join, 0)), "x");
    json_decref(part);
    json_decref(facts);
    trial_close(&t);
}

Test(export_facts, parameters_have_the_numbers_of_their_standardisation)
{
    trial t;
    json_t *facts =
        facts_of(&t, SETTINGS("parameters={theta_2: {prior: {log_uniform: [1, 100]}}}"));
    json_t *part = part_of(facts, "target");
    const json_t *list = json_object_get(part, "parameters"),
                 *affine = json_array_get(list, 0), *by_log = json_array_get(list, 1);
    cr_assert_str_eq(text_of(part, "name"), "all");
    cr_assert_eq(json_array_size(list), 2);
    cr_assert_str_eq(text_of(affine, "scale"), "affine");
    cr_assert_str_eq(text_of(by_log, "name"), "theta_2");
    cr_assert_str_eq(text_of(by_log, "prior"), "log_uniform(1, 100)");
    cr_assert_str_eq(text_of(by_log, "scale"), "log");
    /* Uniform on [0, log 100]: half of it, and log 100 / sqrt 12. */
    cr_assert_float_eq(json_number_value(json_object_get(by_log, "centre")),
                       2.302585092994046, 1e-12);
    cr_assert_float_eq(json_number_value(json_object_get(by_log, "deviation")),
                       1.329398123272132, 1e-12);
    json_decref(part);
    json_decref(facts);
    trial_close(&t);
}

Test(export_facts, x_has_fields_and_moments)
{
    trial t;
    json_t *facts = facts_of(&t, SETTINGS("train.epochs=1"));
    json_t *part = part_of(facts, "x");
    const json_t *field = json_array_get(json_object_get(part, "fields"), 0);
    cr_assert_str_eq(text_of(field, "name"), "x");
    cr_assert_str_eq(text_of(field, "scale"), "log");
    cr_assert_eq(json_integer_value(json_array_get(json_object_get(field, "shape"), 0)),
                 2);
    cr_assert_eq(json_number_value(json_array_get(json_object_get(part, "mean"), 0)),
                 0.25);
    cr_assert_eq(
        json_number_value(json_array_get(json_object_get(part, "inverse_deviation"), 0)),
        2);
    json_decref(part);
    json_decref(facts);
    trial_close(&t);
}

static void check_output(const char *loss_name, const char *wanted)
{
    trial t;
    char setting[64];
    snprintf(setting, sizeof setting, "train.loss.name=%s", loss_name);
    json_t *facts = facts_of(&t, SETTINGS(setting, "train.ensemble=5"));
    json_t *part = part_of(facts, "network");
    cr_assert_str_eq(text_of(part, "loss"), loss_name);
    cr_assert_str_eq(text_of(part, "output"), wanted);
    cr_assert_eq(json_integer_value(json_array_get(json_object_get(part, "members"), 0)),
                 3);
    cr_assert_eq(json_integer_value(json_object_get(part, "of")), 5);
    json_decref(part);
    json_decref(facts);
    trial_close(&t);
}

Test(export_facts, the_output_is_what_the_loss_promises)
{
    check_output("nre_a", "log p(x | theta) / p(x)");
    check_output("nre_b", "log p(x | theta) / p(x) + f(x)");
}
