/* The command line: verbs and options as two tables. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

typedef struct verb_help {
    const char *name, *arguments, *summary;
} verb_help;

static const verb_help VERBS[] = {
    {"run", "CONFIG", "simulate -> train -> infer -> diagnose -> report"},
    {"simulate", "CONFIG|NAME",
     "draw simulations to a file: -n N -o FILE, --at NAME=VALUE,..."},
    {"infer", "RUNDIR", "a trained estimator on new observations: --observation FILE"},
    {"evaluate", "RUNDIR",
     "log ratios and gradients of pairs: --theta T.npy --x X.npy -o OUT.npy"},
    {"export", "RUNDIR",
     "posterior draws and trained networks for others, by --to FORMAT"},
    {"check", "CONFIG", "push one mini-batch through everything; writes nothing"},
    {"status", "DIR", "where a run or a sweep stands"},
    {"table", "DIR...", "compare finished runs and sweeps, partial ones too"},
    {"report", "DIR", "write the page of a run or a sweep anew, partial ones too"},
    {"plugins", "[KIND] [NAME] | check FILE.so", "list, describe or test plugins"},
    {"new", "KIND NAME",
     "a commented plugin that compiles: simulator, architecture, sampler"},
    {"init", "[CONFIG]", "a commented starter file, every key with its default"},
    {"explain", "KEY|CODE|DIR",
     "what a key or an exit code means; why a stage runs or is reused"},
};
enum { N_VERBS = sizeof VERBS / sizeof VERBS[0] };

typedef struct option option;
struct option {
    const char *name;
    char letter;          /* 0: none */
    const char *argument; /* NULL: a switch */
    const char *verbs;    /* "run,infer"; NULL: all */
    const char *help;
    int (*take)(command *c, const option *o, const char *value);
    size_t at; /* offset in command, for the plain kinds */
};

static int take_text(command *c, const option *o, const char *value)
{
    *(const char **)((char *)c + o->at) = value;
    return NRE_OK;
}

static int take_switch(command *c, const option *o, const char *value)
{
    (void)value;
    *(bool *)((char *)c + o->at) = true;
    return NRE_OK;
}

static int take_count(const option *o, const char *value, int64_t least, uint64_t *out)
{
    int64_t number;
    if (!text_to_int(value, &number) || number < least)
        return fail(NRE_EUSAGE,
                    "--%s: expected a whole number of at least %lld, found '%s'", o->name,
                    (long long)least, value);
    *out = (uint64_t)number;
    return NRE_OK;
}

static int take_seed(command *c, const option *o, const char *value)
{
    c->has_seed = true;
    return take_count(o, value, 0, &c->seed);
}

static int take_n(command *c, const option *o, const char *value)
{
    c->has_n = true;
    return take_count(o, value, 1, &c->n);
}

static int take_threads(command *c, const option *o, const char *value)
{
    uint64_t n = 0;
    int rc = take_count(o, value, 1, &n);
    if (!rc && n > 1024)
        rc = fail(NRE_EUSAGE, "--threads: at most 1024, found '%s'", value);
    c->threads = (unsigned)n;
    return rc;
}

static int take_item(const option *o, const char *value, size_t *n, const char **list)
{
    if (*n == COMMAND_LIST)
        return fail(NRE_EUSAGE, "--%s is given more than %d times", o->name,
                    COMMAND_LIST);
    list[(*n)++] = value;
    return NRE_OK;
}

static int take_set(command *c, const option *o, const char *value)
{
    return take_item(o, value, &c->n_set, c->set);
}

static int take_sweep(command *c, const option *o, const char *value)
{
    return take_item(o, value, &c->n_sweep, c->sweep);
}

static int take_plugin_path(command *c, const option *o, const char *value)
{
    return take_item(o, value, &c->n_plugin_path, c->plugin_path);
}

static int take_progress(command *c, const option *o, const char *value)
{
    static const char *const STYLES[] = {"auto", "bar", "lines", "none"};
    for (size_t i = 0; i < 4; i++)
        if (!strcmp(value, STYLES[i])) {
            c->progress = (progress_style)i;
            return NRE_OK;
        }
    return fail(NRE_EUSAGE, "--%s: expected auto, bar, lines or none, found '%s'",
                o->name, value);
}

static int take_time_limit(command *c, const option *o, const char *value)
{
    static const struct {
        char unit;
        double seconds;
    } UNITS[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char number[32];
    static const double TIME_MOST = 1e9; /* seconds: what alarm() surely takes */
    size_t n = strlen(value);
    double scale = 1;
    for (size_t i = 0; n && i < 4; i++)
        if (value[n - 1] == UNITS[i].unit) {
            scale = UNITS[i].seconds;
            n--;
            break;
        }
    snprintf(number, sizeof number, "%.*s", (int)(n < 31 ? n : 31), value);
    bool known = n < sizeof number && text_to_real(number, &c->time_limit);
    c->time_limit *= scale;
    if (!known || !(c->time_limit > 0 && c->time_limit <= TIME_MOST))
        return fail(NRE_EUSAGE,
                    "--%s: expected a time such as 90s, 30m, 2h or 3d, found '%s'",
                    o->name, value);
    return NRE_OK;
}

#define TEXT(member) take_text, offsetof(command, member)
#define SWITCH(member) take_switch, offsetof(command, member)
static const option OPTIONS[] = {
    {"out", 'o', "PATH", "run,simulate,infer,evaluate,export,new,table,report",
     "where results go (run: default runs/NAME)", TEXT(out)},
    {"set", 0, "PATH=VALUE", "run,simulate,check,explain", "override a key of the config",
     take_set, 0},
    {"sweep", 0, "PATH=[A, B]", "run,check", "one more axis: a cell for each value",
     take_sweep, 0},
    {"cell", 0, "ID", "run,check", "only this cell of a sweep, A,B or A,B/r0",
     TEXT(cell)},
    {"keep-going", 0, NULL, "run",
     "of a sweep: a failed cell does not stop the others "
     "(default)",
     SWITCH(keep_going)},
    {"fail-fast", 0, NULL, "run", "of a sweep: stop at the first cell that fails",
     SWITCH(fail_fast)},
    {"until", 0, "STAGE", "run", "stop after simulate, train, infer, diagnose or report",
     TEXT(until)},
    {"dry-run", 'n', NULL, "run", "what would run or be reused, and why",
     SWITCH(dry_run)},
    {"rows", 'n', "N", "simulate", "how many simulations", take_n, 0},
    {"at", 0, "NAME=VALUE,...", "simulate",
     "parameters; the others at their nominal values", TEXT(at)},
    {"seed", 0, "N", "run,simulate,check", "root seed", take_seed, 0},
    {"threads", 'j', "N", NULL, "threads (default: all cores)", take_threads, 0},
    {"resume", 0, NULL, "run", "go on in an existing folder", SWITCH(resume)},
    {"force", 0, NULL, "run,infer", "move an existing folder aside", SWITCH(force)},
    {"time-limit", 0, "T", "run", "write a checkpoint and exit 75 after T (90s, 30m, 2h)",
     take_time_limit, 0},
    {"observation", 0, "FILE", "infer", "rows of x", TEXT(observation)},
    {"each", 0, NULL, "infer", "every row its own posterior", SWITCH(each)},
    {"joint", 0, NULL, "infer", "all rows together, independent and alike",
     SWITCH(joint)},
    {"sampler", 0, "NAME", "infer", "another sampler than the run's", TEXT(sampler)},
    {"to", 0, "FORMAT", "export", "arviz, getdist, csv, npy; safetensors, onnx",
     TEXT(to)},
    {"target", 0, "NAME", "infer,evaluate,export",
     "one of the run's targets (default: all of them, "
     "for evaluate the first)",
     TEXT(target)},
    {"theta", 0, "FILE.npy", "evaluate", "parameters, columns in target order",
     TEXT(theta)},
    {"x", 0, "FILE.npy", "evaluate", "observations, one for each theta or a single one",
     TEXT(x)},
    {"watch", 0, NULL, "status", "again every two seconds, until all is done",
     SWITCH(watch)},
    {"config", 'c', "CONFIG", "explain", "show the value that this config gives",
     TEXT(config)},
    {"plugin-path", 0, "DIR", NULL, "folder of plugins, searched first", take_plugin_path,
     0},
    {"quiet", 'q', NULL, NULL, "warnings and errors only", SWITCH(quiet)},
    {"verbose", 'v', NULL, NULL, "more", SWITCH(verbose)},
    {"progress", 0, "STYLE", NULL, "auto, bar, lines or none", take_progress, 0},
    {"json", 0, NULL, "run,infer,export,check,plugins,explain,status,table,report",
     "results as JSON on stdout", SWITCH(json)},
    {"help", 'h', NULL, NULL, "this text", SWITCH(help)},
    {"version", 0, NULL, NULL, "version", SWITCH(version)},
};
enum { N_OPTIONS = sizeof OPTIONS / sizeof OPTIONS[0] };

/* Is VERB one of the comma-separated VERBS? */
static bool serves(const option *o, const char *verb)
{
    if (!o->verbs || !verb)
        return true;
    size_t n = strlen(verb);
    for (const char *p = o->verbs; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (!strncmp(p, verb, n) && (p[n] == ',' || p[n] == 0))
            return true;
    return false;
}

static const option *option_named(const char *name, size_t n, const char *verb)
{
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (strlen(OPTIONS[i].name) == n && !strncmp(OPTIONS[i].name, name, n) &&
            serves(&OPTIONS[i], verb))
            return &OPTIONS[i];
    return NULL;
}

static const option *option_lettered(char letter, const char *verb)
{
    for (size_t i = 0; letter && i < N_OPTIONS; i++)
        if (OPTIONS[i].letter == letter && serves(&OPTIONS[i], verb))
            return &OPTIONS[i];
    return NULL;
}

static int unlisted_option(const char *word, const char *verb)
{
    return fail(NRE_EUSAGE,
                "unknown option '%s'; 'nereid%s%s --help' lists what there is", word,
                verb ? " " : "", verb ? verb : "");
}

static int unknown_option(const char *word, const char *verb)
{
    const char *known[N_OPTIONS];
    size_t n = 0, length = strcspn(word, "=");
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(length < 63 ? length : 63), word);
    const option *elsewhere = option_named(name + 2, strlen(name + 2), NULL);
    if (elsewhere)
        return fail(NRE_EUSAGE, "option '%s' does not go with 'nereid %s' (but with: %s)",
                    name, verb, elsewhere->verbs);
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (serves(&OPTIONS[i], verb))
            known[n++] = OPTIONS[i].name;
    const char *near = text_nearest(name + 2, n, known);
    if (near)
        return fail(NRE_EUSAGE, "unknown option '%s'; did you mean: --%s%s", name, near,
                    word + length);
    return unlisted_option(name, verb);
}

/* The option in WORD ("--seed", "--seed=3", "-j", "-j2"); *value what is attached to it.
 */
static int option_in(const char *word, const char *verb, const option **o,
                     const char **value)
{
    *value = NULL;
    if (word[1] == '-') {
        size_t n = strcspn(word + 2, "=");
        *o = option_named(word + 2, n, verb);
        if (word[2 + n] == '=')
            *value = word + 3 + n;
    } else {
        *o = option_lettered(word[1], verb);
        if (word[2])
            *value = word + 2;
        if (!*o || (*value && !(*o)->argument))
            return unlisted_option(word, verb);
    }
    return *o ? NRE_OK : unknown_option(word, verb);
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1];
}

static bool is_verb(const char *word)
{
    for (size_t i = 0; i < N_VERBS; i++)
        if (!strcmp(word, VERBS[i].name))
            return true;
    return false;
}

/* Whether NEXT belongs to the option WORD while the verb is not known yet: -n takes a
 * number with one verb and nothing with another, so a verb behind it is the verb. */
static bool takes_next(const char *word, const char *next)
{
    bool takes = false, switches = false;
    if (word[1] != '-' && word[2])
        return false;
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const option *o = &OPTIONS[i];
        if (word[1] == '-' ? strcmp(o->name, word + 2) != 0 : o->letter != word[1])
            continue;
        takes = takes || o->argument;
        switches = switches || !o->argument;
    }
    return takes && !(switches && is_verb(next));
}

/* Where the verb stands: the first word that is no option and no option's value; ARGC
 * without. */
static int verb_at(int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--"))
            return i + 1;
        if (!is_option(argv[i]))
            return i;
        if (i + 1 < argc && takes_next(argv[i], argv[i + 1]))
            i++;
    }
    return argc;
}

static int check_verb(const char *verb)
{
    const char *known[N_VERBS];
    for (size_t i = 0; i < N_VERBS; i++) {
        known[i] = VERBS[i].name;
        if (!strcmp(verb, known[i]))
            return NRE_OK;
    }
    const char *near = text_nearest(verb, N_VERBS, known);
    if (near)
        return fail(NRE_EUSAGE, "unknown verb '%s'; did you mean: nereid %s", verb, near);
    fail(NRE_EUSAGE, "unknown verb '%s'; there are %s", verb, known[0]);
    for (size_t i = 1; i < N_VERBS; i++)
        fail(NRE_EUSAGE, "%s, %s", error_message(), known[i]);
    return NRE_EUSAGE;
}

static int take_argument(command *c, const char *word)
{
    if (c->n_arguments == sizeof c->arguments / sizeof c->arguments[0])
        return fail(NRE_EUSAGE, "too many arguments, from '%s' on", word);
    c->arguments[c->n_arguments++] = word;
    return NRE_OK;
}

static int take_option(command *c, const char *verb, int argc, char *argv[], int *i)
{
    const option *o;
    const char *value;
    int rc = option_in(argv[*i], verb, &o, &value);
    if (rc)
        return rc;
    if (!o->argument && value)
        return fail(NRE_EUSAGE, "--%s takes no value", o->name);
    if (o->argument && !value && *i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0)
        value = argv[++*i];
    if (o->argument && (!value || !*value))
        return fail(NRE_EUSAGE, "--%s needs a value: --%s %s", o->name, o->name,
                    o->argument);
    return o->take(c, o, value);
}

int command_parse(int argc, char *argv[], command *out)
{
    int at = verb_at(argc, argv);
    bool options = true;
    *out = (command){.verb = at < argc ? argv[at] : NULL};
    int rc = out->verb ? check_verb(out->verb) : NRE_OK;
    for (int i = 1; i < argc && !rc; i++) {
        if (options && !strcmp(argv[i], "--"))
            options = false;
        else if (options && is_option(argv[i]))
            rc = take_option(out, out->verb, argc, argv, &i);
        else if (i != at)
            rc = take_argument(out, argv[i]);
    }
    return rc;
}

static void print_option(const option *o, FILE *out)
{
    char left[64];
    int n = o->letter ? snprintf(left, sizeof left, "-%c, ", o->letter) : 0;
    snprintf(left + n, sizeof left - (size_t)n, "--%s%s%s", o->name,
             o->argument ? " " : "", o->argument ? o->argument : "");
    fprintf(out, "  %-28s %s\n", left, o->help);
}

int command_help(const char *verb, FILE *out)
{
    if (!verb)
        fprintf(out, "nereid - neural ratio estimation, inference and diagnosis\n\n");
    for (size_t i = 0; i < N_VERBS; i++)
        if (!verb || !strcmp(verb, VERBS[i].name))
            fprintf(out, "%snereid %-8s %-30s %s\n", verb ? "" : "  ", VERBS[i].name,
                    VERBS[i].arguments, VERBS[i].summary);
    fprintf(out, "\noptions%s:\n",
            verb ? "" : " (nereid VERB --help: those of one verb)");
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (verb ? serves(&OPTIONS[i], verb) : !OPTIONS[i].verbs)
            print_option(&OPTIONS[i], out);
    return NRE_OK;
}
