#include "run/run.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Output of plugin_check() of NAME in FOLDER; free(). */
static char *check(const char *folder_, const char *name, const command *c, int *status)
{
    char path[512], *text = NULL;
    size_t n;
    snprintf(path, sizeof path, "%s/%s.so", folder_, name);
    FILE *out = open_memstream(&text, &n);
    cr_assert_not_null(out);
    *status = plugin_check(c, path, out);
    fclose(out);
    return text;
}

static size_t count_lines(const char *text, const char *begin)
{
    size_t n = 0;
    for (const char *at = text; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
        n += strncmp(at, begin, strlen(begin)) == 0;
    return n;
}

/* The line that begins with "FAILED  " and what the test says. */
static bool fails(const char *text, const char *says, const char *why)
{
    char line[256];
    snprintf(line, sizeof line, "FAILED  %s: ", says);
    const char *at = strstr(text, line), *end = at ? strchr(at, '\n') : NULL;
    const char *found = at ? strstr(at, why) : NULL;
    return found && end && found < end;
}

static void check_good(const char *folder_, const char *name, size_t ok, size_t skipped)
{
    int status;
    const command c = {.verb = "plugins"};
    char *text = check(folder_, name, &c, &status);
    cr_assert_eq(status, NRE_OK, "%s: %s\n%s", name, error_message(), text);
    cr_assert_eq(count_lines(text, "FAILED"), 0, "%s:\n%s", name, text);
    cr_assert_eq(count_lines(text, "ok"), ok, "%s:\n%s", name, text);
    cr_assert_eq(count_lines(text, "skipped"), skipped, "%s:\n%s", name, text);
    free(text);
}

Test(plugin_check, good_simulators)
{
    check_good(BAD_PLUGINS, "good", 13, 3);
    check_good(GOOD_PLUGINS, "gaussian_linear", 15, 1);
    check_good(GOOD_PLUGINS, "two_moons", 15, 1);
    check_good(GOOD_PLUGINS, "slcp", 13, 3);
    check_good(GOOD_PLUGINS, "boarding_school", 11, 5);
}

Test(plugin_check, good_architectures)
{
    check_good(GOOD_PLUGINS, "mlp", 9, 0);
    check_good(GOOD_PLUGINS, "cnn", 9, 0);
    check_good(GOOD_PLUGINS, "deepset", 9, 0);
    check_good(GOOD_PLUGINS, "resnet", 9, 0);
}

Test(plugin_check, good_samplers)
{
    check_good(GOOD_PLUGINS, "metropolis", 9, 1);
    check_good(GOOD_PLUGINS, "grid", 8, 2);
}

Test(plugin_check, says_what_is_wrong)
{
    static const char *const ROWS = "rows are finite and stay within their batch";
    static const char *const DEFAULTS = "it is made and freed at its defaults";
    const struct {
        const char *name, *says, *why;
    } wrong[] = {
        {"no_symbol", "it loads", "does not export nre_plugin_v1"},
        {"function_symbol", "it loads", "is not a constant"},
        {"wrong_abi", "it loads", "plugin interface 2"},
        {"wrong_name", "it loads", "calls itself 'another_name'"},
        {"newer_minor", "it loads", "needs plugin interface 1.1"},
        {"bad_options", "it loads", "the default of its option 'noise'"},
        {"no_ops", "it loads", "lack simulate()"},
        {"exports_more", "it exports nre_plugin_v1 alone", "exports 'helper' as well"},
        {"crash_create", DEFAULTS, "simulator 'crash_create' crashed in create()"},
        {"crash_simulate", ROWS, "crashed in simulate(), rows 0..23"},
        {"nan_output", ROWS, "x[1] is not a number"},
        {"writes_past", ROWS, "wrote past the end of a batch of 24 rows"},
        {"fails_midway", ROWS, "no convergence at mu = 0.9"},
        {"prints", ROWS, "a plugin does not print, this one prints 'simulating "},
        {"exits", ROWS, "ended the process with exit code 0"},
        {"uses_neighbour_stream", "rows do not depend on the batch or its order",
         ", alone"},
        {"wrong_gradient", "its gradient agrees with differences", "gradient by 'mu'"},
        {"ignores_theta", "it builds networks of one output", "does not depend on theta"},
        {"draws_prior", "it recovers mean and covariance of a Gaussian",
         "standard errors"},
    };
    const command c = {.verb = "plugins"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int status;
        char *text = check(BAD_PLUGINS, wrong[i].name, &c, &status);
        cr_assert_eq(status, NRE_EPLUGIN, "%s:\n%s", wrong[i].name, text);
        cr_assert(fails(text, wrong[i].says, wrong[i].why), "%s:\n%s", wrong[i].name,
                  text);
        cr_assert(count_lines(text, "FAILED") >= 1);
        free(text);
    }
}

/* What comes after a broken basic test is not tried. */
Test(plugin_check, stops_where_nothing_else_can_hold)
{
    int status;
    const command c = {.verb = "plugins"};
    char *text = check(BAD_PLUGINS, "crash_create", &c, &status);
    cr_assert_str_eq(
        strrchr(text, '\n') ? text : "",
        "ok      it loads\n"
        "ok      it exports nre_plugin_v1 alone\n"
        "FAILED  it is made and freed at its defaults: simulator 'crash_create' "
        "crashed in create() (invalid memory access)\n"
        "2 ok, 1 failed, 0 skipped\n");
    free(text);
}

Test(plugin_check, a_hanging_plugin)
{
    int status;
    const command c = {.verb = "plugins", .time_limit = 1};
    char *text = check(BAD_PLUGINS, "hangs", &c, &status);
    cr_assert_eq(status, NRE_EPLUGIN);
    cr_assert(fails(text, "rows are finite and stay within their batch",
                    "took more than 1 seconds"),
              "%s", text);
    free(text);
}

Test(plugin_check, options_of_the_command_line)
{
    int status;
    const command too_much = {.verb = "plugins", .n_set = 1, .set = {"more=true"}};
    const command unknown = {.verb = "plugins", .n_set = 1, .set = {"less=true"}};
    char *text = check(BAD_PLUGINS, "draws_prior", &too_much, &status);
    cr_assert_eq(status, NRE_EPLUGIN);
    cr_assert(fails(text, "it never writes more steps than there is room for",
                    "wrote past the 1 steps"),
              "%s", text);
    free(text);
    text = check(BAD_PLUGINS, "draws_prior", &unknown, &status);
    cr_assert_eq(status, NRE_EUSAGE);
    cr_assert_not_null(strstr(error_message(), "--set less=true"));
    free(text);
}

Test(plugin_check, no_such_file)
{
    int status;
    const command c = {.verb = "plugins"};
    char *text = check(BAD_PLUGINS, "is_not_there", &c, &status);
    cr_assert_eq(status, NRE_EPLUGIN);
    cr_assert(fails(text, "it loads", "No such file"), "%s", text);
    free(text);
}

Test(check_symbols, files_that_are_no_objects)
{
    cr_assert_eq(symbols_check("/nowhere/nothing.so"), NRE_EDATA);
    cr_assert_eq(symbols_check(TEST_SOURCE), NRE_EPLUGIN);
    cr_assert_not_null(strstr(error_message(), "no 64-bit ELF file"));
}
