/* The command line: where words may stand, what they mean, and what is said of wrong
 * ones. */
#include "run/run.h"

#include <criterion/criterion.h>
#include <string.h>

enum { WORDS = 256 };

/* Of "run x.yaml -j2", cut at blanks; the words outlive the command. */
static int parse(const char *line, command *c)
{
    static char text[8192], *words[WORDS];
    int n = 1;
    char *rest = NULL;
    snprintf(text, sizeof text, "%s", line);
    words[0] = (char[]){"nereid"};
    for (char *w = strtok_r(text, " ", &rest); w && n < WORDS;
         w = strtok_r(NULL, " ", &rest))
        words[n++] = w;
    return command_parse(n, words, c);
}

static void refused(const char *line, const char *message)
{
    command c;
    cr_assert_eq(parse(line, &c), NRE_EUSAGE, "%s: accepted", line);
    cr_assert(strstr(error_message(), message), "%s: '%s' is not in '%s'", line, message,
              error_message());
}

static command accepted(const char *line)
{
    command c;
    cr_assert_eq(parse(line, &c), NRE_OK, "%s: %s", line, error_message());
    return c;
}

Test(command, nothing_is_the_wish_for_help)
{
    command c = accepted("");
    cr_assert_null(c.verb);
    cr_assert_not(c.help);
    cr_assert_eq(c.n_arguments, 0);
}

Test(command, options_stand_anywhere)
{
    static const char *const LINES[] = {
        "run a.yaml --out d --resume --seed 7", "--out d --resume --seed 7 run a.yaml",
        "--resume run --seed=7 a.yaml -o d",    "-o d run --seed 7 --resume -- a.yaml",
        "-od --seed 7 --resume -- run a.yaml",
    };
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        command c = accepted(LINES[i]);
        cr_assert_str_eq(c.verb, "run");
        cr_assert_eq(c.n_arguments, 1, "%s: %zu arguments", LINES[i], c.n_arguments);
        cr_assert_str_eq(c.arguments[0], "a.yaml");
        cr_assert_str_eq(c.out, "d");
        cr_assert(c.resume && c.has_seed && c.seed == 7);
    }
}

Test(command, values_are_attached_or_next)
{
    cr_assert_eq(accepted("run a -j2").threads, 2);
    cr_assert_eq(accepted("run a -j 2").threads, 2);
    cr_assert_eq(accepted("run a --threads=2").threads, 2);
    cr_assert_eq(accepted("run a --threads 2").threads, 2);
    cr_assert_str_eq(accepted("run a --set=train.lr=1").set[0], "train.lr=1");
    refused("run a --threads", "--threads needs a value: --threads N");
    refused("run a --threads=", "--threads needs a value");
    refused("run a -j", "--threads needs a value");
    refused("run a --out --force", "--out needs a value");
    refused("run a --resume=yes", "--resume takes no value");
    refused("run a -nq", "unknown option '-nq'");
}

Test(command, n_means_what_the_verb_says)
{
    command c = accepted("run a -n");
    cr_assert(c.dry_run && !c.has_n);
    c = accepted("simulate a -n 5 -o x.npy");
    cr_assert(!c.dry_run && c.has_n && c.n == 5);
    c = accepted("-n run a");
    cr_assert(c.dry_run);
    cr_assert_str_eq(c.verb, "run");
    c = accepted("-n 5 simulate a");
    cr_assert(c.has_n && c.n == 5);
    cr_assert_str_eq(c.verb, "simulate");
    c = accepted("-n5 simulate a");
    cr_assert_eq(c.n, 5);
    refused("infer r -n 5", "unknown option '-n'");
}

Test(command, two_dashes_end_the_options)
{
    command c = accepted("run -- --odd.yaml");
    cr_assert_str_eq(c.arguments[0], "--odd.yaml");
    c = accepted("explain -- -");
    cr_assert_str_eq(c.arguments[0], "-");
    c = accepted("run -");
    cr_assert_str_eq(c.arguments[0], "-");
}

Test(command, suggestions_can_be_pasted)
{
    refused("run a --sede=3", "unknown option '--sede'; did you mean: --seed=3");
    refused("run a --resum", "did you mean: --resume");
    refused("run a --thre 2", "unknown option '--thre'; 'nereid run --help' lists");
    refused("simulte a", "unknown verb 'simulte'; did you mean: nereid simulate");
    refused("submit d",
            "there are run, simulate, infer, evaluate, export, check, status, table, "
            "report, plugins, new, init, explain");
    refused("run a --observation f", "does not go with 'nereid run' (but with: infer)");
    refused("--nothing", "unknown option '--nothing'");
    refused("run a -x", "unknown option '-x'");
}

Test(command, numbers_are_checked)
{
    refused("run a --seed -1",
            "--seed: expected a whole number of at least 0, found '-1'");
    refused("run a --seed x", "found 'x'");
    refused("run a -j 0", "at least 1");
    refused("run a -j 5000", "at most 1024");
    refused("simulate a -n 0", "at least 1");
    refused("simulate a -n 1.5", "found '1.5'");
    cr_assert_eq(accepted("simulate a -n 2e5").n, 200000);
    cr_assert_eq(accepted("run a --seed 0").seed, 0);
}

Test(command, times_have_units)
{
    cr_assert_float_eq(accepted("run a --time-limit 90s").time_limit, 90, 0);
    cr_assert_float_eq(accepted("run a --time-limit 90").time_limit, 90, 0);
    cr_assert_float_eq(accepted("run a --time-limit 1.5m").time_limit, 90, 0);
    cr_assert_float_eq(accepted("run a --time-limit 2h").time_limit, 7200, 0);
    cr_assert_float_eq(accepted("run a --time-limit 3d").time_limit, 259200, 0);
    refused("run a --time-limit 0", "expected a time such as");
    refused("run a --time-limit -5s", "expected a time such as");
    refused("run a --time-limit h", "expected a time such as");
    refused("run a --time-limit 1e300d", "expected a time such as");
    refused("run a --time-limit 1000000000000000000000000000000000000000",
            "expected a time");
}

Test(command, progress_has_four_styles)
{
    cr_assert_eq(accepted("run a").progress, PROGRESS_AUTO);
    cr_assert_eq(accepted("run a --progress bar").progress, PROGRESS_BAR);
    cr_assert_eq(accepted("run a --progress lines").progress, PROGRESS_LINES);
    cr_assert_eq(accepted("run a --progress none").progress, PROGRESS_NONE);
    refused("run a --progress dots", "expected auto, bar, lines or none, found 'dots'");
}

Test(command, some_options_repeat)
{
    command c = accepted("run a --set a=1 --set b=2 --plugin-path p --plugin-path q");
    cr_assert_eq(c.n_set, 2);
    cr_assert_str_eq(c.set[1], "b=2");
    cr_assert_eq(c.n_plugin_path, 2);
    cr_assert_str_eq(c.plugin_path[0], "p");
    cr_assert_eq(accepted("run a --seed 1 --seed 2").seed, 2);
}

Test(command, there_is_an_end_to_repetition)
{
    char line[4096] = "run a";
    for (size_t i = 0; i < COMMAND_LIST; i++)
        strcat(line, " --set a=1");
    cr_assert_eq(accepted(line).n_set, COMMAND_LIST);
    strcat(line, " --set a=1");
    refused(line, "--set is given more than 64 times");
    refused("run 1 2 3 4 5 6 7 8 9", "too many arguments, from '9' on");
}

static void help_has(const char *verb, const char *text, bool wanted)
{
    char *all = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&all, &n);
    cr_assert_eq(command_help(verb, out), NRE_OK);
    fclose(out);
    cr_assert_eq(strstr(all, text) != NULL, wanted, "help of %s, '%s'",
                 verb ? verb : "all", text);
    free(all);
}

Test(command, help_lists_what_there_is)
{
    static const char *const VERBS[] = {"run",      "simulate", "infer",
                                        "evaluate", "check",    "plugins",
                                        "new",      "init",     "explain"};
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "nereid %s", VERBS[i]);
        help_has(NULL, line, true);
        help_has(VERBS[i], line, true);
    }
    help_has("run", "-n, --dry-run", true);
    help_has("run", "--rows", false);
    help_has("simulate", "-n, --rows N", true);
    help_has("simulate", "--dry-run", false);
    help_has("infer", "--observation FILE", true);
}
