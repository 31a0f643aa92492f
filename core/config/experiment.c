/* config/experiment.c - from a file to a checked experiment. */
#include "config/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 20 };

/* reading files */

static int read_stdin(char **text, size_t *n)
{
    char *buffer = memory_new(MAX_BYTES + 2, 1);
    if (!buffer)
        return fail(NRE_ENOMEM, "no memory for the config");
    *n = fread(buffer, 1, MAX_BYTES + 1, stdin);
    if (ferror(stdin) || *n > MAX_BYTES) {
        free(buffer);
        return fail(NRE_ECONFIG, "stdin: not readable, or longer than 1 MiB");
    }
    *text = buffer;
    return NRE_OK;
}

/* All of PATH in the arena, and known to the mistakes. */
static int read_source(config_reader *l, const char *path, const char **text, size_t *n)
{
    char *read = NULL;
    int status = strcmp(path, "-") == 0 ? read_stdin(&read, n)
                                        : file_read(path, MAX_BYTES, &read, n);
    if (status != NRE_OK)
        return status;
    char *copy = arena_alloc(l->a, *n + 1, 1);
    if (copy)
        memcpy(copy, read, *n);
    free(read);
    if (!copy)
        return fail(NRE_ENOMEM, "no memory for the config");
    *text = copy;
    mistakes_source(l->m, path, copy, *n);
    return NRE_OK;
}

static bool is_in_chain(const config_reader *l, const char *real)
{
    for (size_t i = 0; i < l->n_chain; i++)
        if (strcmp(l->chain[i], real) == 0)
            return true;
    return false;
}

static const char *real_path(arena *a, const char *path)
{
    char *real = realpath(path, NULL);
    const char *copy = real ? arena_copy(a, real) : NULL;
    free(real);
    return copy;
}

static void tell_extends(config_reader *l, const node *said, const char *what)
{
    mistake_add(l->m, said->origin, said->line, said->column, said->width, NULL,
                "extends: %s", what);
}

/* As the user would name it: beside the file that says it. */
static const char *base_path(config_reader *l, const node *said)
{
    const char *folder =
        strncmp(said->origin, "--", 2) == 0 ? "." : path_folder(l->a, said->origin);
    if (!folder || strcmp(folder, ".") == 0)
        return said->text;
    return path_join(l->a, folder, said->text);
}

static int parse_file(config_reader *l, const char *path, const char *text, size_t n,
                      node **out);

static int extend(config_reader *l, const node *said, node *child, node **out)
{
    const char *path = NULL, *real = NULL, *text = NULL;
    size_t n = 0;
    node *base = NULL;
    *out = child;
    if (said->kind != NODE_SCALAR || *said->text == '\0') {
        if (node_usable(said))
            tell_extends(l, said, "expected the path of a config");
        return NRE_OK;
    }
    path = base_path(l, said);
    real = path ? real_path(l->a, path) : NULL;
    if (real && is_in_chain(l, real)) {
        tell_extends(l, said,
                     arena_print(l->a, "'%s' extends itself in a circle", said->text));
        return NRE_OK;
    }
    if (!real || l->n_chain == READER_CHAIN) {
        tell_extends(
            l, said,
            real ? "the chain is longer than 32 files"
                 : arena_print(l->a, "there is no file '%s'", text_shown(l->a, path)));
        return NRE_OK;
    }
    if (read_source(l, path, &text, &n) != NRE_OK) {
        tell_extends(l, said, error_message());
        return NRE_OK;
    }
    l->chain[l->n_chain++] = real;
    int status = parse_file(l, path, text, n, &base);
    if (status == NRE_OK)
        *out = tree_merge(NULL, base, child, NULL);
    return status;
}

/* Parse and follow `extends:`. */
static int parse_file(config_reader *l, const char *path, const char *text, size_t n,
                      node **out)
{
    int status = tree_parse(l->a, path, text, n, l->m, out);
    node *said = status == NRE_OK ? node_child(*out, "extends") : NULL;
    if (!said)
        return status;
    node *child = *out;
    node_remove(child, said);
    return extend(l, said, child, out);
}

static int set_seed(config_reader *l, node **root)
{
    node like = {.origin = "--seed", .key = "seed"};
    node *over = node_new(l->a, NODE_MAP, NULL),
         *seed = node_new(l->a, NODE_SCALAR, &like);
    if (!over || !seed)
        return fail(NRE_ENOMEM, "no memory for the config");
    seed->text = arena_print(l->a, "%llu", (unsigned long long)*l->request->seed);
    over->origin = like.origin;
    node_append(over, seed);
    *root = tree_merge(NULL, *root, over, seed);
    return seed->text ? NRE_OK : fail(NRE_ENOMEM, "no memory for the config");
}

/* from the tree to the struct */

static const node *find(const node *root, const char *path)
{
    const node *at = root;
    while (at && *path) {
        size_t n = strcspn(path, ".");
        const node *c = at->kind == NODE_MAP ? at->first : NULL;
        while (c && (strlen(c->key) != n || memcmp(c->key, path, n) != 0))
            c = c->next;
        at = c;
        path += n + (path[n] == '.');
    }
    return at;
}

const node *experiment_find(const experiment *e, const char *path)
{
    return find(e->tree, path);
}

static double real_of(const node *n)
{
    double value = 0;
    text_to_real(n->text, &value);
    return value;
}

static uint64_t int_of(const node *n)
{
    int64_t value = 0;
    text_to_int(n->text, &value);
    return (uint64_t)value;
}

static unsigned index_in(const char *choices, const char *word, arena *a)
{
    size_t n = 0;
    const char *const *list = choices_list(choices, a, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], word) == 0)
            return (unsigned)i;
    return 0;
}

static unsigned bits_of(const schema_key *k, const node *list, arena *a)
{
    unsigned bits = 0;
    for (const node *c = list->first; c; c = c->next)
        bits |= 1u << index_in(k->choices, c->text, a);
    return bits;
}

static void fill_field(experiment *e, const schema_key *k, const node *n, arena *a)
{
    char *field = (char *)e + (k->at - 1);
    bool is_map = k->type == KEY_MAP || k->type == KEY_SWITCH;
    if (is_map)
        *(bool *)(void *)field = n->kind == NODE_MAP;
    else if (k->type == KEY_FLAG)
        *(bool *)(void *)field = index_in(k->choices, n->text, a) == 1;
    else if (k->type == KEY_BOOL)
        *(bool *)(void *)field = strcmp(n->text, "true") == 0;
    else if (k->type == KEY_INT)
        *(uint64_t *)(void *)field = int_of(n);
    else if (k->type == KEY_REAL)
        *(double *)(void *)field = real_of(n);
    else if (k->type == KEY_CHOICE)
        *(unsigned *)(void *)field = index_in(k->choices, n->text, a);
    else if (k->type == KEY_WORDS)
        *(unsigned *)(void *)field = bits_of(k, n, a);
    else
        *(const char **)(void *)field = n->text;
}

static place place_of(const node *n)
{
    return n ? (place){n->origin, n->line, n->column} : (place){"default", 0, 0};
}

static place place_of_key(const node *n)
{
    return (place){n->origin, n->key_line, n->key_column};
}

/* The prior {FAMILY: [..]} of parameter C, whose node holds the name. */
static parameter_override override_of(const node *c, const node *prior)
{
    double v[4] = {0, 0, 0, 1}; /* a beta prior lies on [0, 1] unless said */
    size_t i = 0, n_families = 0;
    const prior_family *families = prior_families(&n_families);
    for (const node *x = prior->first->first; x; x = x->next)
        v[i++] = real_of(x);
    parameter_override o = {
        .name = c->key, .a = v[0], .b = v[1], .where = place_of_key(c)};
    for (i = 0; i < n_families; i++)
        if (strcmp(families[i].name, prior->first->key) == 0)
            o.prior = families[i].prior;
    if (o.prior == NRE_TRUNCATED_NORMAL || o.prior == NRE_BETA) {
        o.lo = v[2];
        o.hi = v[3];
    }
    if (o.prior == NRE_HALF_NORMAL || o.prior == NRE_HALF_CAUCHY) {
        o.a = 0;
        o.b = v[0];
    }
    return o;
}

/* Priors by parameter below PATH: {NAME: {prior: {..}}}, or DIRECT {NAME: {..}}. */
static int fill_priors(const experiment *e, const char *path, bool direct, arena *a,
                       size_t *n, const parameter_override **out)
{
    const node *map = find(e->tree, path);
    parameter_override *list = arena_alloc(a, map ? map->n + 1 : 1, sizeof *list);
    if (!list)
        return fail(NRE_ENOMEM, "no memory for the parameters");
    *out = list;
    for (const node *c = map ? map->first : NULL; c; c = c->next) {
        const node *prior = direct ? c : node_child(c, "prior");
        if (prior && prior->first)
            list[(*n)++] = override_of(c, prior);
    }
    return NRE_OK;
}

static int fill_targets(experiment *e, arena *a)
{
    const node *list = find(e->tree, "infer.target");
    target_request *targets = arena_alloc(a, list->n, sizeof *targets), *t = targets;
    if (!targets)
        return fail(NRE_ENOMEM, "no memory for the targets");
    for (const node *c = list->first; c; c = c->next, t++) {
        *t = (target_request){
            .all = c->kind == NODE_SCALAR, .n = c->n, .where = place_of(c)};
        const char **names = arena_alloc(a, c->n + 1, sizeof *names);
        if (!names)
            return fail(NRE_ENOMEM, "no memory for the targets");
        size_t i = 0;
        for (const node *name = c->first; name; name = name->next)
            names[i++] = name->text;
        t->names = names;
    }
    e->infer.targets = targets;
    e->infer.n_targets = list->n;
    return NRE_OK;
}

static limit_request limit_of(const node *map, arena *a)
{
    const node *against = node_child(map, "against"), *priors = node_child(map, "priors"),
               *parameter = node_child(map, "parameter");
    const node *side = node_child(map, "side"), *level = node_child(map, "level");
    return (limit_request){
        .parameter = parameter ? parameter->text : "",
        .upper = side && strcmp(side->text, "upper") == 0,
        .level = level ? real_of(level) : 0.95,
        .priors = priors ? bits_of(schema_find("infer.limits.priors"), priors, a) : 0,
        .against = against ? real_of(against) : NAN,
        .where = place_of(parameter),
        .priors_where = place_of(priors),
        .against_where = place_of(against)};
}

static int fill_limits(experiment *e, arena *a)
{
    const node *list = find(e->tree, "infer.limits");
    limit_request *limits = arena_alloc(a, list ? list->n + 1 : 1, sizeof *limits);
    if (!limits)
        return fail(NRE_ENOMEM, "no memory for the limits");
    for (const node *c = list ? list->first : NULL; c; c = c->next)
        limits[e->infer.n_limits++] = limit_of(c, a);
    e->infer.limits = limits;
    return NRE_OK;
}

static int fill_reals(const experiment *e, const char *path, arena *a, size_t *n,
                      const double **out)
{
    const node *list = find(e->tree, path);
    double *reals = arena_alloc(a, list ? list->n + 1 : 1, sizeof *reals);
    if (!reals)
        return fail(NRE_ENOMEM, "no memory for %s", path);
    *out = reals;
    for (const node *c = list ? list->first : NULL; c; c = c->next)
        reals[(*n)++] = real_of(c);
    return NRE_OK;
}

static int fill_levels(experiment *e, arena *a)
{
    int status = fill_reals(e, "diagnose.coverage.levels", a,
                            &e->diagnose.coverage.n_levels, &e->diagnose.coverage.levels);
    if (!status)
        status = fill_reals(e, "diagnose.coverage.bias", a, &e->diagnose.coverage.n_bias,
                            &e->diagnose.coverage.bias);
    return status ? status
                  : fill_reals(e, "infer.regions.levels", a, &e->infer.regions.n_levels,
                               &e->infer.regions.levels);
}

static int fill_at(experiment *e, arena *a)
{
    const node *map = find(e->tree, "infer.observation.simulate.at");
    size_t n = map ? map->n : 0, i = 0;
    const char **names = arena_alloc(a, n + 1, sizeof *names);
    double *values = arena_alloc(a, n + 1, sizeof *values);
    if (!names || !values)
        return fail(NRE_ENOMEM, "no memory for the mock observation");
    for (const node *c = map ? map->first : NULL; c; c = c->next, i++) {
        names[i] = c->key;
        values[i] = real_of(c);
    }
    e->infer.observation.simulate.names = names;
    e->infer.observation.simulate.values = values;
    e->infer.observation.simulate.n_at = n;
    return NRE_OK;
}

static void fill_dataset(experiment *e, const char *path, dataset_request *d)
{
    const node *n = find(e->tree, path);
    d->where = place_of(n);
}

static int fill(experiment *e, arena *a)
{
    size_t n = 0;
    const schema_key *keys = schema_keys(&n);
    for (size_t i = 0; i < n; i++) {
        const node *at = keys[i].at ? find(e->tree, keys[i].path) : NULL;
        if (at)
            fill_field(e, &keys[i], at, a);
    }
    fill_dataset(e, "datasets.train", &e->datasets.train);
    fill_dataset(e, "datasets.validation", &e->datasets.validation);
    fill_dataset(e, "datasets.calibration", &e->datasets.calibration);
    fill_dataset(e, "datasets.test", &e->datasets.test);
    e->infer.observation.where = place_of(find(e->tree, "infer.observation"));
    const node *nuisance = find(e->tree, "infer.nuisance");
    if (nuisance)
        e->infer.nuisance = strcmp(nuisance->text, "shared") == 0
                                ? NUISANCE_SHARED
                                : NUISANCE_PER_OBSERVATION;
    int status = fill_priors(e, "parameters", false, a, &e->n_overrides, &e->overrides);
    if (status == NRE_OK)
        status =
            fill_priors(e, "infer.prior", true, a, &e->infer.n_priors, &e->infer.priors);
    status = status == NRE_OK ? fill_targets(e, a) : status;
    status = status == NRE_OK ? fill_limits(e, a) : status;
    status = status == NRE_OK ? fill_levels(e, a) : status;
    return status == NRE_OK ? fill_at(e, a) : status;
}

/* checks between keys */

/* Of the nodes that a check is about, the first that somebody wrote; false when one of
 * them is missing or wrong anyway. */
static bool blame(const experiment *e, size_t n, const char *const *paths,
                  const node **out)
{
    *out = NULL;
    for (size_t i = 0; i < n; i++) {
        const node *at = find(e->tree, paths[i]);
        if (!node_usable(at))
            return false;
        if (!*out && strcmp(at->origin, "default") != 0)
            *out = at;
    }
    return *out != NULL;
}

static void check_test_size(const experiment *e, mistakes *m, arena *a)
{
    static const char *const PATHS[] = {"diagnose.coverage.observables",
                                        "diagnose.coverage.repeats", "datasets.test.n"};
    const node *at = NULL;
    uint64_t n = e->datasets.test.n, observables = e->diagnose.coverage.observables,
             repeats = e->diagnose.coverage.repeats;
    if (!blame(e, 3, PATHS, &at) || observables <= n / repeats)
        return;
    uint64_t pairs = observables * repeats, most = n / repeats;
    const char *hint =
        arena_print(a, "make datasets.test.n at least %llu, or observables at most %llu",
                    (unsigned long long)pairs, (unsigned long long)most);
    mistake_add(
        m, at->origin, at->line, at->column, at->width, hint,
        "diagnose.coverage takes %llu observables x %llu repeats = %llu test pairs, "
        "datasets.test.n = %llu",
        (unsigned long long)observables, (unsigned long long)repeats,
        (unsigned long long)pairs, (unsigned long long)n);
}

/* LESS <= MORE. */
static void check_at_most(const experiment *e, mistakes *m, const char *less,
                          const char *more)
{
    const node *at = NULL;
    if (!blame(e, 2, (const char *const[]){less, more}, &at))
        return;
    uint64_t a = int_of(find(e->tree, less)), b = int_of(find(e->tree, more));
    if (a > b)
        mistake_add(m, at->origin, at->line, at->column, at->width, NULL,
                    "%s = %llu is more than %s = %llu", less, (unsigned long long)a, more,
                    (unsigned long long)b);
}

/* What is drawn while training cannot come from a file. */
static void check_online(const experiment *e, mistakes *m)
{
    const node *at = find(e->tree, "train.online");
    const char *key = e->datasets.train.file ? "file" : "theta";
    if (e->train.online.wanted && at &&
        (e->datasets.train.file || e->datasets.train.theta))
        mistake_add(
            m, at->origin, at->line, at->column, at->width, NULL,
            "train.online draws its simulations itself, and datasets.train.%s names "
            "existing ones: leave out one of the two",
            key);
}

/* An area that is never known cannot be outside. */
static void check_area_gate(const experiment *e, mistakes *m)
{
    const node *at = find(e->tree, "diagnose.area.gate.outside");
    bool mixed = e->train.ensemble > 1 && e->infer.ensemble == ENSEMBLE_MIXTURE;
    bool open = e->train.loss.name && strcmp(e->train.loss.name, "nre_b") == 0;
    if (!node_usable(at) || !e->diagnose.area.gate_outside ||
        e->estimator != ESTIMATOR_NETWORK || !(mixed || open))
        return;
    mistake_add(m, at->origin, at->line, at->column, at->width, NULL,
                "diagnose.area.gate: with %s there is no area to be outside: leave the "
                "gate out",
                mixed ? "infer.ensemble = mixture" : "train.loss.name = nre_b");
}

/* What the closest simulations have no use for. */
static void check_abc(const experiment *e, mistakes *m)
{
    const struct {
        bool wanted;
        const char *path, *why;
    } others[] = {
        {e->estimator != ESTIMATOR_NETWORK, "estimator", "has no estimator"},
        {e->infer.n_priors > 0, "infer.prior", "has no ratio to reweight"},
        {e->infer.calibrate.wanted, "infer.calibrate", "has no ratio to calibrate"},
        {e->train.online.wanted, "train.online", "needs stored simulations"},
        {e->rounds.wanted, "rounds", "has no networks to cut the prior by"}};
    for (size_t i = 0;
         e->infer.method == METHOD_ABC && i < sizeof others / sizeof others[0]; i++) {
        const node *at = find(e->tree, others[i].path);
        if (others[i].wanted && at)
            mistake_add(m, at->origin, at->line, at->column, at->width, NULL,
                        "%s: infer.method: abc %s; leave it out", others[i].path,
                        others[i].why);
    }
}

/* Of diagnostics that judge a ratio: none would ever be told. */
static void check_abc_gates(const experiment *e, mistakes *m, arena *a)
{
    const node *of = find(e->tree, "diagnose");
    for (const node *c = of ? of->first : NULL; c && e->infer.method == METHOD_ABC;
         c = c->next) {
        const node *gate = find(c, "gate");
        for (const node *g = gate ? gate->first : NULL; g; g = g->next)
            if (strcmp(c->key, "predictive") != 0 && node_usable(g) && g->text &&
                *g->text && strcmp(g->text, "none") != 0)
                mistake_add(m, g->origin, g->line, g->column, g->width, NULL,
                            "%s: infer.method: abc has no ratio to judge; leave it out",
                            node_path(g, a));
    }
}

/* Why infer.calibrate cannot be had, naming the other key; NULL: it can. */
static const char *calibrate_problem(const experiment *e, arena *a)
{
    uint64_t n = e->datasets.calibration.n;
    unsigned least = e->infer.calibrate.per == CALIBRATE_THETA ? 500 : 100;
    if (!e->datasets.calibration.wanted)
        return "is fitted on simulations of its own: give datasets.calibration";
    if (!e->datasets.calibration.file && !e->datasets.calibration.theta && n < least)
        return arena_print(a, "needs datasets.calibration.n of at least %u", least);
    if (strcmp(e->train.loss.name, "nre_b") == 0)
        return "compares outputs for different x, which train.loss.name = nre_b leaves "
               "open: take another loss";
    if (e->train.ensemble > 1 && e->infer.ensemble == ENSEMBLE_MIXTURE)
        return "maps a log ratio, and infer.ensemble = mixture has posteriors that are "
               "normalised each by itself: take infer.ensemble = mean";
    if (e->rounds.wanted)
        return "is not to be had with rounds: the map would be that of the whole prior";
    if (e->infer.method == METHOD_ABC)
        return "has no ratio to calibrate where infer.method = abc";
    return NULL;
}

static void check_calibrate(const experiment *e, mistakes *m, arena *a)
{
    const node *at = find(e->tree, "infer.calibrate");
    if (!e->infer.calibrate.wanted || !node_usable(at) || !e->train.loss.name ||
        e->estimator != ESTIMATOR_NETWORK)
        return;
    const char *why = calibrate_problem(e, a);
    if (why)
        mistake_add(m, at->origin, at->line, at->column, at->width, NULL,
                    "infer.calibrate %s", why);
}

/* A map in steps has a gradient nowhere but 0. */
static void check_calibrated_sampler(const experiment *e, mistakes *m)
{
    static const char *const NAMES[] = {"histogram", "isotonic", "platt"};
    const plugin *p = e->infer.sampler.component.plugin;
    const nre_sampler_ops *ops = p ? p->table->ops.sampler : NULL;
    const node *at = find(e->tree, "infer.calibrate");
    if (!e->infer.calibrate.wanted || !node_usable(at) || !ops ||
        e->infer.calibrate.map == CALIBRATE_PLATT || !(ops->flags & NRE_NEEDS_GRADIENT) ||
        e->estimator != ESTIMATOR_NETWORK)
        return;
    mistake_add(m, at->origin, at->line, at->column, at->width,
                "infer.calibrate.map: platt has a gradient, and other samplers need none",
                "infer.calibrate.map = %s is constant in steps, and infer.sampler.plugin "
                "= %s needs the gradient of the log ratio",
                NAMES[e->infer.calibrate.map], p->table->name);
}

/* Biases of levels: one, or one for each, and no level reaches 1. */
static void check_bias(const experiment *e, mistakes *m)
{
    const node *at = find(e->tree, "diagnose.coverage.bias");
    const node *regions = find(e->tree, "diagnose.coverage.regions");
    size_t n = e->diagnose.coverage.n_bias, levels = e->diagnose.coverage.n_levels;
    if (!node_usable(at) || !node_usable(find(e->tree, "diagnose.coverage.levels")) ||
        !node_usable(regions) || !(e->diagnose.coverage.regions & REGION_BIASED))
        return;
    if (strcmp(at->origin, "default") == 0)
        at = regions;
    if (n != 1 && n != levels) {
        mistake_add(m, at->origin, at->line, at->column, at->width, NULL,
                    "diagnose.coverage.bias has %zu numbers for %zu levels: give one for "
                    "all, or one for each",
                    n, levels);
        return;
    }
    for (size_t i = 0; i < levels; i++) {
        double level = e->diagnose.coverage.levels[i],
               bias = e->diagnose.coverage.bias[n == 1 ? 0 : i];
        if (level + bias < 1)
            continue;
        mistake_add(m, at->origin, at->line, at->column, at->width,
                    "one bias for each level, as diagnose.coverage.bias: [0.02, 0.02, "
                    "0.002] for levels 0.68, 0.95, 0.997",
                    "diagnose.coverage.bias: level %g + bias %g is not below 1", level,
                    bias);
        return;
    }
}

/* A critical value at LEVELS needs simulations of its own, ten of them on each side of it. */
static void check_neyman(const experiment *e, mistakes *m, const char *path, bool wanted,
                         size_t n_levels, const double *levels)
{
    const node *at = find(e->tree, path);
    const dataset_request *d = &e->datasets.calibration;
    if (!wanted || !node_usable(at))
        return;
    if (!d->wanted) {
        mistake_add(m, at->origin, at->line, at->column, at->width,
                    "datasets: {calibration: {n: 10000}}",
                    "%s: neyman needs simulations of its own: give datasets.calibration",
                    path);
        return;
    }
    for (size_t i = 0; i < n_levels && !d->file && !d->theta; i++) {
        double side = levels[i] < 0.5 ? levels[i] : 1 - levels[i];
        double least = ceil(10 / side - 1e-9);
        if ((double)d->n < least) {
            mistake_add(m, at->origin, at->line, at->column, at->width, NULL,
                        "%s: neyman at level %g needs datasets.calibration.n of at least "
                        "%.0f, it is %llu",
                        path, levels[i], least, (unsigned long long)d->n);
            return;
        }
    }
}

static void check_regions(const experiment *e, mistakes *m)
{
    const node *at = find(e->tree, "infer.regions");
    check_bias(e, m);
    check_neyman(e, m, "diagnose.coverage.regions",
                 e->diagnose.coverage.wanted &&
                     e->diagnose.coverage.regions & REGION_NEYMAN,
                 e->diagnose.coverage.n_levels, e->diagnose.coverage.levels);
    check_neyman(e, m, "infer.regions.kinds",
                 e->infer.regions.wanted && e->infer.regions.kinds & SET_NEYMAN,
                 e->infer.regions.n_levels, e->infer.regions.levels);
    if (e->infer.regions.wanted && e->infer.method == METHOD_ABC && at)
        mistake_add(m, at->origin, at->line, at->column, at->width, NULL,
                    "infer.regions: infer.method: abc has no ratio to make regions of; "
                    "leave it out");
}

/* Regions are cut out of the prior of the simulations. */
static void check_prior(const experiment *e, mistakes *m)
{
    const node *at = find(e->tree, "infer.prior");
    if (!e->infer.n_priors || !e->rounds.wanted || !node_usable(at))
        return;
    mistake_add(
        m, at->origin, at->line, at->column, at->width, NULL,
        "infer.prior does not go together with rounds, which cut the prior of the "
        "simulations: leave out one of the two, or set that prior under "
        "'parameters'");
}

static void check_across(const experiment *e, mistakes *m, arena *a)
{
    check_regions(e, m);
    check_abc(e, m);
    check_abc_gates(e, m, a);
    check_area_gate(e, m);
    check_prior(e, m);
    check_calibrate(e, m, a);
    check_test_size(e, m, a);
    check_at_most(e, m, "diagnose.area.observables", "datasets.test.n");
    check_at_most(e, m, "diagnose.predictive.observables", "datasets.test.n");
    if (e->estimator == ESTIMATOR_NETWORK && e->infer.method != METHOD_ABC)
        check_at_most(e, m, "train.batch_size", "datasets.train.n");
    check_at_most(e, m, "train.accumulate", "train.batch_size");
    check_online(e, m);
    const node *at = NULL;
    static const char *const PATHS[] = {"train.loss.marginals", "train.batch_size"};
    if (blame(e, 2, PATHS, &at) && e->train.loss.marginals >= e->train.batch_size)
        mistake_add(m, at->origin, at->line, at->column, at->width, NULL,
                    "train.loss.marginals must be below train.batch_size");
}

/* the whole */

static const char *stem(arena *a, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t n = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    return strcmp(path, "-") == 0 ? "experiment" : arena_print(a, "%.*s", (int)n, name);
}

/* The default of `name` is that of the file, which the schema cannot know. */
static int fill_name(experiment *e, node *root, arena *a)
{
    if (e->name)
        return NRE_OK;
    node like = {.origin = "default", .key = "name", .quoted = true};
    node *name = node_new(a, NODE_SCALAR, &like);
    e->name = stem(a, e->path);
    if (!name || !e->name)
        return fail(NRE_ENOMEM, "no memory for the config");
    name->text = e->name;
    name->parent = root;
    name->next = root->first->next; /* behind `schema` */
    root->first->next = name;
    root->n++;
    return NRE_OK;
}

/* Only plugins that cannot be had: exit 4 rather than 3. */
static int outcome(const mistakes *m, size_t n_plugins)
{
    if (mistakes_count(m) > 0 && mistakes_count(m) == n_plugins)
        return fail(NRE_EPLUGIN, "%s", mistakes_report(m));
    return mistakes_fail(m);
}

static int finish(config_reader *l, node *root, experiment *e)
{
    node *tree = NULL;
    plugins *p = l->request->plugins;
    int status = tree_resolve(l->a, l->m, root, &tree);
    if (status != NRE_OK)
        return status;
    e->tree = tree;
    status = fill(e, l->a);
    if (status != NRE_OK)
        return status;
    check_across(e, l->m, l->a);
    node *sampler = node_child(node_child(tree, "infer"), "sampler");
    size_t n = 0; /* of plugins that cannot be had */
    n += component_load(l->a, l->m, p, NRE_SIMULATOR, node_child(tree, "simulator"),
                        &e->simulator.component) != NRE_OK;
    n += component_load(l->a, l->m, p, NRE_ARCHITECTURE, node_child(tree, "architecture"),
                        &e->architecture) != NRE_OK;
    n += component_load(l->a, l->m, p, NRE_SAMPLER, sampler,
                        &e->infer.sampler.component) != NRE_OK;
    check_calibrated_sampler(e, l->m);
    status = outcome(l->m, n);
    return status == NRE_OK ? fill_name(e, tree, l->a) : status;
}

/* Keys without a default leave their fields as they are. */
static void no_thresholds(experiment *e)
{
    e->diagnose.coverage.gate_gain = NAN;
    for (size_t i = 0; i < N_CHECKS; i++)
        e->diagnose.check[i].gate.above = e->diagnose.check[i].gate.below = NAN;
}

int config_finish(config_reader *l, node *root, experiment **out)
{
    experiment *e = arena_alloc(l->a, 1, sizeof *e);
    *out = NULL;
    if (!e)
        return fail(NRE_ENOMEM, "no memory for the config");
    e->path = arena_copy(l->a, l->request->path);
    no_thresholds(e);
    int status = finish(l, root, e);
    *out = status == NRE_OK ? e : NULL;
    return status;
}

static bool is_of_sweep(const char *assignment)
{
    return strncmp(assignment, "sweep", 5) == 0 && strchr(".=", assignment[5]);
}

int config_set(config_reader *l, bool of_sweep, node **root)
{
    const config_request *r = l->request;
    int status = NRE_OK;
    for (size_t i = 0; status == NRE_OK && i < r->n_set; i++)
        if (is_of_sweep(r->set[i]) == of_sweep)
            status = tree_set(l->a, l->m, r->set[i], root);
    return status == NRE_OK && r->seed && !of_sweep ? set_seed(l, root) : status;
}

/* MANY NULL: without the sweep. */
static int load(config_reader *l, const char *text, size_t n, experiment **one,
                sweep **many)
{
    node *root = NULL, *said = NULL;
    int status = parse_file(l, l->request->path, text, n, &root);
    if (status == NRE_OK)
        status = config_set(l, true, &root);
    size_t before = mistakes_count(l->m);
    if (status == NRE_OK && many)
        status = sweep_add_axes(l, root);
    if (mistakes_count(l->m) > before)
        return mistakes_fail(l->m);
    if (status == NRE_OK && (said = node_child(root, "sweep")) && many)
        return sweep_expand(l, root, said, many);
    if (said)
        node_remove(root, said);
    if (status == NRE_OK)
        status = config_set(l, false, &root);
    if (status == NRE_OK)
        return config_finish(l, root, one);
    return mistakes_count(l->m) > 0 ? mistakes_fail(l->m) : status;
}

int config_from_text(const config_request *r, const char *text, size_t n, arena *a,
                     experiment **one, sweep **many)
{
    config_reader l = {.request = r, .a = a, .m = mistakes_new(a)};
    *one = NULL;
    if (many)
        *many = NULL;
    if (!l.m)
        return fail(NRE_ENOMEM, "no memory for the config");
    mistakes_source(l.m, r->path, text, n);
    return load(&l, text, n, one, many);
}

int experiment_from_text(const config_request *r, const char *text, size_t n, arena *a,
                         experiment **out)
{
    return config_from_text(r, text, n, a, out, NULL);
}

int config_load(const config_request *r, arena *a, experiment **one, sweep **many)
{
    config_reader l = {.request = r, .a = a, .m = mistakes_new(a)};
    const char *text = NULL, *real = NULL;
    size_t n = 0;
    *one = NULL;
    if (many)
        *many = NULL;
    if (!l.m)
        return fail(NRE_ENOMEM, "no memory for the config");
    int status = read_source(&l, r->path, &text, &n);
    if (status != NRE_OK)
        return status == NRE_ENOMEM ? status : fail(NRE_ECONFIG, "%s", error_message());
    real = real_path(a, r->path);
    if (real)
        l.chain[l.n_chain++] = real;
    return load(&l, text, n, one, many);
}

int experiment_load(const config_request *r, arena *a, experiment **out)
{
    return config_load(r, a, out, NULL);
}

/* once the simulator's parameters are known */

typedef struct name_checker {
    mistakes *m;
    arena *a;
    size_t n;
    const char *const *names;
} name_checker;

static void check_name(const name_checker *c, const char *name, place where,
                       const char *what)
{
    const char *known = "";
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->names[i], name) == 0)
            return;
    for (size_t i = 0; i < c->n && known; i++)
        known = arena_print(c->a, "%s%s%s", known, i ? ", " : "", c->names[i]);
    const char *near = text_nearest(name, c->n, c->names);
    const char *hint =
        near ? arena_print(c->a, "did you mean '%s'?  (known: %s)", near, known)
             : arena_print(c->a, "known: %s", known);
    mistake_add(c->m, where.origin, where.line, where.column, 0, hint,
                "%s: the simulator has no parameter '%s'", what, text_shown(c->a, name));
}

static bool is_target(const experiment *e, const char *name)
{
    for (size_t i = 0; i < e->infer.n_targets; i++) {
        const target_request *t = &e->infer.targets[i];
        for (size_t j = 0; j < t->n; j++)
            if (strcmp(t->names[j], name) == 0)
                return true;
        if (t->all)
            return true;
    }
    return false;
}

static void check_limit(const name_checker *c, const experiment *e,
                        const limit_request *l)
{
    size_t before = mistakes_count(c->m);
    check_name(c, l->parameter, l->where, "infer.limits");
    if (mistakes_count(c->m) == before && !is_target(e, l->parameter))
        mistake_add(
            c->m, l->where.origin, l->where.line, l->where.column, 0,
            arena_print(c->a, "add it to a target:  infer.target: [%s]", l->parameter),
            "infer.limits: '%s' is in no target, so it is marginalised everywhere",
            l->parameter);
}

int experiment_check_parameters(const experiment *e, size_t n, const char *const *names)
{
    arena *a = arena_new();
    name_checker c = {a ? mistakes_new(a) : NULL, a, n, names};
    if (!c.m) {
        arena_free(a);
        return fail(NRE_ENOMEM, "no memory for the check");
    }
    for (size_t i = 0; i < e->n_overrides; i++)
        check_name(&c, e->overrides[i].name, e->overrides[i].where, "parameters");
    for (size_t i = 0; i < e->infer.n_targets; i++)
        for (size_t j = 0; j < e->infer.targets[i].n; j++)
            check_name(&c, e->infer.targets[i].names[j], e->infer.targets[i].where,
                       "infer.target");
    for (size_t i = 0; i < e->infer.observation.simulate.n_at; i++)
        check_name(&c, e->infer.observation.simulate.names[i], e->infer.observation.where,
                   "infer.observation.simulate.at");
    for (size_t i = 0; i < e->infer.n_priors; i++)
        check_name(&c, e->infer.priors[i].name, e->infer.priors[i].where, "infer.prior");
    for (size_t i = 0; i < e->infer.n_limits; i++)
        check_limit(&c, e, &e->infer.limits[i]);
    int status = mistakes_fail(c.m);
    arena_free(a);
    return status;
}
