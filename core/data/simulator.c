/* data/simulator.c - a simulator plugin: its parameters, fields and workers. */
#include "data/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MOST = 1000, WORKERS_MOST = 1024, BLOCK_ROWS = 256 };
enum { X_MOST = 1 << 28, BLOCK_FLOATS = 1 << 20 };

struct simulator {
    const instance *instance;
    const nre_simulator_ops *ops;
    nre_simulator_info info;
    marginal *marginals; /* [n_theta] */
    prior prior;
    const char **names; /* [n_theta] */
    size_t n_x, block;
    workspace *workspaces; /* [WORKERS_MOST], each touched by its worker alone */
    bool *prepared;
};

/* what the plugin says of itself */

static int refuse(const simulator *s, const char *format, ...) NRE_PRINTF(2, 3);
static int refuse(const simulator *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_v(NRE_EPLUGIN, format, arguments);
    va_end(arguments);
    return fail_within(NRE_EPLUGIN, "simulator '%s': info()",
                       s->instance->plugin->table->name);
}

static int check_counts(const simulator *s)
{
    const nre_simulator_info *i = &s->info;
    if (i->n_theta < 1 || i->n_theta > THETA_MOST || !i->theta)
        return refuse(s, "%u parameters; 1 to %d are possible", i->n_theta, THETA_MOST);
    if (i->n_fields < 1 || i->n_fields > FIELDS_MOST || !i->fields)
        return refuse(s, "%u fields; 1 to %d are possible", i->n_fields, FIELDS_MOST);
    if (i->theta_size < sizeof(nre_theta) || i->field_size < sizeof(nre_field))
        return refuse(s, "theta_size and field_size must be sizeof(nre_theta) and "
                         "sizeof(nre_field)");
    if (i->n_derived > THETA_MOST || (i->n_derived > 0 && !i->derived))
        return refuse(s, "%u derived quantities without a table", i->n_derived);
    if (i->n_derived > 0 && !NRE_HAS(s->ops, derived))
        return refuse(s, "derived quantities are named, yet there is no derived()");
    return NRE_OK;
}

/* Names become YAML keys, columns and folders. */
static bool name_is_good(const char *name)
{
    return name && *name && strlen(name) < 64 &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789_")] == '\0';
}

static int check_names(const simulator *s)
{
    for (size_t i = 0; i < s->info.n_theta; i++) {
        const char *name = simulator_theta(s, i)->name;
        if (!name_is_good(name))
            return refuse(s, "parameter %zu: '%s' is no name of letters, digits and _", i,
                          name ? name : "");
        for (size_t k = 0; k < i; k++)
            if (strcmp(name, simulator_theta(s, k)->name) == 0)
                return refuse(s, "two parameters are called '%s'", name);
    }
    for (size_t i = 0; i < s->info.n_fields; i++)
        if (!name_is_good(simulator_field(s, i)->name))
            return refuse(s, "field %zu has no name of letters, digits and _", i);
    for (size_t i = 0; i < s->info.n_derived; i++)
        if (!name_is_good(simulator_derived(s, i)->name))
            return refuse(s, "derived quantity %zu has no name of letters, digits and _",
                          i);
    return NRE_OK;
}

static int measure_fields(simulator *s)
{
    s->n_x = 0;
    for (size_t i = 0; i < s->info.n_fields; i++) {
        const nre_field *f = simulator_field(s, i);
        if (f->shape.rank < 1 || f->shape.rank > 4)
            return refuse(s, "field '%s': rank %u; 1 to 4 are possible", f->name,
                          f->shape.rank);
        if (f->scale > NRE_SCALE_NONE)
            return refuse(s, "field '%s': unknown scale %u", f->name, f->scale);
        size_t n = field_size(f);
        if (n == 0 || n > X_MOST || s->n_x + n > X_MOST)
            return refuse(s, "field '%s': a row of x must hold 1 to %d values", f->name,
                          X_MOST);
        s->n_x += n;
    }
    /* cppcheck-suppress zerodiv; check_counts() has seen at least one field */
    size_t rows = BLOCK_FLOATS / s->n_x;
    s->block = rows < 1 ? 1 : rows > BLOCK_ROWS ? BLOCK_ROWS : rows;
    return NRE_OK;
}

static int ask_info(simulator *s)
{
    const nre_plugin *table = s->instance->plugin->table;
    s->info = (nre_simulator_info){.struct_size = sizeof s->info};
    crash_enter(table, "info", 0, 0);
    int status = s->ops->info(s->instance->self, &s->info);
    crash_leave();
    if (status != NRE_OK)
        return plugin_failed(table, "info", status);
    if ((status = check_counts(s)) != NRE_OK || (status = check_names(s)) != NRE_OK)
        return status;
    return measure_fields(s);
}

/* priors */

static void own_priors(simulator *s)
{
    for (size_t i = 0; i < s->info.n_theta; i++) {
        const nre_theta *t = simulator_theta(s, i);
        s->names[i] = t->name;
        s->marginals[i] = (marginal){.name = t->name,
                                     .family = t->prior,
                                     .a = t->a,
                                     .b = t->b,
                                     .lo = t->lo,
                                     .hi = t->hi};
        if (t->prior == NRE_CUSTOM_PRIOR)
            s->prior.custom = s->ops;
    }
    s->prior.n = s->info.n_theta;
    s->prior.of = s->marginals;
    s->prior.self = s->instance->self;
    s->prior.owner = s->instance;
}

static int override_priors(simulator *s, size_t n, const marginal *overrides)
{
    for (size_t k = 0; k < n; k++) {
        size_t i = 0;
        while (i < s->info.n_theta && strcmp(s->names[i], overrides[k].name) != 0)
            i++;
        if (i == s->info.n_theta) {
            const char *near = text_nearest(overrides[k].name, s->info.n_theta, s->names);
            return fail(NRE_ECONFIG, "simulator '%s' has no parameter '%s'%s%s%s",
                        s->instance->plugin->table->name, overrides[k].name,
                        near ? "; did you mean '" : "", near ? near : "",
                        near ? "'?" : "");
        }
        if (s->prior.custom || overrides[k].family == NRE_CUSTOM_PRIOR)
            return fail(NRE_ECONFIG,
                        "parameter '%s': the joint prior of simulator '%s' cannot be "
                        "replaced for single parameters",
                        overrides[k].name, s->instance->plugin->table->name);
        int status = marginal_check(&overrides[k]);
        if (status != NRE_OK)
            return NRE_ECONFIG;
        s->marginals[i] = overrides[k];
        s->marginals[i].name = s->names[i];
        s->marginals[i].settled = false;
    }
    return NRE_OK;
}

/* A joint prior that does not state mean and deviation (a and b) is standardised by what
 * a fixed sample of it shows. */
static int measure_joint_prior(simulator *s)
{
    enum { SAMPLE = 4096 };
    size_t d = s->info.n_theta;
    double *theta = memory_new(SAMPLE * d, sizeof *theta);
    if (!theta)
        return fail(NRE_ENOMEM, "no memory for a sample of the prior");
    int status =
        prior_sample(&s->prior, rng_purpose(0, "standardise/prior"), 0, 0, SAMPLE, theta);
    for (size_t k = 0; status == NRE_OK && k < d; k++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < SAMPLE; i++)
            mean += theta[i * d + k] / SAMPLE;
        for (size_t i = 0; i < SAMPLE; i++)
            square += pow(theta[i * d + k] - mean, 2) / SAMPLE;
        if (!(s->marginals[k].b > 0)) {
            s->marginals[k].a = mean;
            s->marginals[k].b = square > 0 ? sqrt(square) : 1;
        }
    }
    free(theta);
    return status;
}

static int joint_prior(simulator *s)
{
    if (!NRE_HAS(s->ops, prior_sample) || !NRE_HAS(s->ops, prior_logpdf))
        return refuse(s, "a custom prior needs prior_sample() and prior_logpdf()");
    for (size_t i = 0; i < s->info.n_theta; i++)
        s->marginals[i].family = NRE_CUSTOM_PRIOR;
    return measure_joint_prior(s);
}

static int make_prior(simulator *s, size_t n_overrides, const marginal *overrides)
{
    own_priors(s);
    int status = override_priors(s, n_overrides, overrides);
    if (status != NRE_OK)
        return status;
    for (size_t i = 0; i < s->info.n_theta; i++)
        if (marginal_check(&s->marginals[i]) != NRE_OK)
            return fail_within(NRE_EPLUGIN, "simulator '%s': info()",
                               s->instance->plugin->table->name);
    if (s->prior.custom && (status = joint_prior(s)) != NRE_OK)
        return status;
    for (size_t i = 0; i < s->info.n_theta; i++)
        marginal_settle(&s->marginals[i]);
    return NRE_OK;
}

/* life */

static int build(simulator *s, size_t n_overrides, const marginal *overrides)
{
    int status = ask_info(s);
    if (status != NRE_OK)
        return status;
    s->marginals = memory_new(s->info.n_theta, sizeof *s->marginals);
    s->names = memory_new(s->info.n_theta, sizeof *s->names);
    s->workspaces = memory_new(WORKERS_MOST, sizeof *s->workspaces);
    s->prepared = memory_new(1, sizeof *s->prepared);
    if (!s->marginals || !s->names || !s->workspaces || !s->prepared)
        return fail(NRE_ENOMEM, "no memory for a simulator");
    return make_prior(s, n_overrides, overrides);
}

int simulator_open(const instance *i, size_t n_overrides, const marginal *overrides,
                   simulator **out)
{
    gsl_never_aborts();
    *out = NULL;
    simulator *s = memory_new(1, sizeof *s);
    if (!s)
        return fail(NRE_ENOMEM, "no memory for a simulator");
    s->instance = i;
    s->ops = i->plugin->table->ops.simulator;
    int status = build(s, n_overrides, overrides);
    if (status != NRE_OK) {
        simulator_close(s);
        return status;
    }
    *out = s;
    return NRE_OK;
}

static void workspace_free(const simulator *s, workspace *w)
{
    if (w->started && NRE_HAS(s->ops, worker_end)) {
        crash_enter(s->instance->plugin->table, "worker_end", 0, 0);
        s->ops->worker_end(w->work);
        crash_leave();
    }
    free(w->stream);
    free(w->pointer);
    free(w->item);
    free(w->theta);
    free(w->x);
    free(w->status);
    free(w->row_theta);
    free(w->pending);
    free(w->redo);
}

void simulator_close(simulator *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->workspaces && i < WORKERS_MOST; i++)
        workspace_free(s, &s->workspaces[i]);
    free(s->workspaces);
    free(s->prepared);
    free(s->names);
    free(s->marginals);
    free(s);
}

int simulator_ready(const simulator *s)
{
    if (*s->prepared || !NRE_HAS(s->ops, prepare))
        return NRE_OK;
    const nre_plugin *table = s->instance->plugin->table;
    crash_enter(table, "prepare", 0, 0);
    int status = s->ops->prepare(s->instance->self, s->instance->host);
    crash_leave();
    if (status != NRE_OK)
        return plugin_failed(table, "prepare", status);
    *s->prepared = true;
    return NRE_OK;
}

int simulator_prepare(simulator *s)
{
    return simulator_ready(s);
}

/* workers */

static int workspace_allocate(const simulator *s, workspace *w)
{
    size_t n = s->block, d = s->info.n_theta;
    w->stream = memory_new(n, sizeof *w->stream);
    w->pointer = memory_new(n, sizeof(void *));
    w->item = memory_new(n, sizeof *w->item);
    w->theta = memory_new(n * d, sizeof *w->theta);
    w->x = memory_new((n + 1) * s->n_x + GUARD, sizeof *w->x);
    w->status = memory_new(n + GUARD, 1);
    w->row_theta = memory_new(n * d, sizeof *w->row_theta);
    w->pending = memory_new(n, sizeof *w->pending);
    w->redo = memory_new(n, sizeof *w->redo);
    if (!w->stream || !w->pointer || !w->item || !w->theta || !w->x || !w->status ||
        !w->row_theta || !w->pending || !w->redo)
        return fail(NRE_ENOMEM, "no memory for %zu rows of x of %zu values", n, s->n_x);
    for (size_t i = 0; i < n; i++)
        w->pointer[i] = &w->stream[i].api;
    w->allocated = true;
    return NRE_OK;
}

int simulator_workspace(const simulator *s, unsigned worker, workspace **out)
{
    if (worker >= WORKERS_MOST)
        return fail(NRE_EUSAGE, "at most %d threads are possible", WORKERS_MOST);
    workspace *w = *out = &s->workspaces[worker];
    int status = w->allocated ? NRE_OK : workspace_allocate(s, w);
    if (status != NRE_OK || w->started || !NRE_HAS(s->ops, worker))
        return status;
    const nre_plugin *table = s->instance->plugin->table;
    crash_enter(table, "worker", 0, 0);
    status = s->ops->worker(s->instance->self, s->instance->host, &w->work);
    crash_leave();
    if (status != NRE_OK)
        return plugin_failed(table, "worker", status);
    w->started = true;
    return NRE_OK;
}

/* what others ask */

size_t field_size(const nre_field *f)
{
    size_t n = 1;
    for (unsigned k = 0; k < f->shape.rank; k++)
        if (__builtin_mul_overflow(n, f->shape.dim[k], &n))
            return 0;
    return n;
}

void x_name(const simulator *s, size_t j, size_t n, char *text)
{
    size_t k = 0;
    const nre_field *f = simulator_field(s, 0);
    while (j >= field_size(f)) {
        j -= field_size(f);
        f = simulator_field(s, ++k);
    }
    if (field_size(f) == 1)
        snprintf(text, n, "%s", f->name);
    else
        snprintf(text, n, "%s[%zu]", f->name, j);
}

const nre_simulator_info *simulator_info(const simulator *s)
{
    return &s->info;
}

static const void *element(const void *array, size_t i, size_t stride)
{
    return (const char *)array + i * stride;
}

const nre_theta *simulator_theta(const simulator *s, size_t i)
{
    return element(s->info.theta, i, s->info.theta_size);
}

const nre_field *simulator_field(const simulator *s, size_t i)
{
    return element(s->info.fields, i, s->info.field_size);
}

const nre_theta *simulator_derived(const simulator *s, size_t i)
{
    return element(s->info.derived, i, s->info.theta_size);
}

const nre_simulator_ops *simulator_ops(const simulator *s)
{
    return s->ops;
}

const instance *simulator_instance(const simulator *s)
{
    return s->instance;
}

size_t simulator_n_theta(const simulator *s)
{
    return s->info.n_theta;
}

size_t simulator_n_x(const simulator *s)
{
    return s->n_x;
}

size_t simulator_block(const simulator *s)
{
    return s->block;
}

const prior *simulator_prior(const simulator *s)
{
    return &s->prior;
}

const char *const *simulator_names(const simulator *s)
{
    return s->names;
}

bool simulator_has_noise(const simulator *s)
{
    return NRE_HAS(s->ops, perturb);
}

void simulator_nominal(const simulator *s, double *theta)
{
    for (size_t i = 0; i < s->info.n_theta; i++) {
        double lo, hi, nominal = simulator_theta(s, i)->nominal;
        const marginal *m = &s->marginals[i];
        marginal_support(m, &lo, &hi);
        if (isfinite(nominal) && nominal > lo && nominal < hi)
            theta[i] = nominal;
        else
            theta[i] = s->prior.custom ? m->facts.centre : marginal_quantile(m, 0.5);
    }
}
