/* The prior that is meant at inference, where it is another than that of the simulations. */
#include "run/run.h"

#include <math.h>
#include <string.h>

/* Of the prior meant, what may lie where hardly a simulation was drawn before the log tells
 * of it; and what lies outside counts as hardly any, half of it to either side. */
static const double ASTRAY = 0.05, HARDLY = 1e-3;

const char *session_place(const session *s, place p)
{
    const char *text =
        p.line == 0 || strncmp(p.origin, "--", 2) == 0
            ? p.origin
            : arena_print(s->arena, "%s:%zu:%zu", p.origin, p.line, p.column);
    return text ? text : "the config";
}

static bool in_target(const target *t, size_t parameter)
{
    for (uint32_t k = 0; k < t->n; k++)
        if (t->which[k] == parameter)
            return true;
    return false;
}

/* Where the parameter is marginalised, r holds the prior of the simulations. */
static int check_targets(const session *s, const parameter_override *o, size_t parameter)
{
    for (size_t i = 0; i < s->n_targets; i++)
        if (!in_target(&s->targets[i], parameter))
            return fail(NRE_ECONFIG,
                        "%s: error: infer.prior.%s: target '%s' leaves %s out, and its "
                        "ratio is an average over the prior of the simulations, which "
                        "cannot be exchanged afterwards; add it to the target, or train "
                        "with another prior:  parameters: {%s: {prior: ...}}",
                        session_place(s, o->where), o->name, s->targets[i].name, o->name,
                        o->name);
    return NRE_OK;
}

static int check_support(const session *s, const parameter_override *o,
                         const marginal *trained, const marginal *meant)
{
    double low, high, lo, hi;
    marginal_support(trained, &low, &high);
    marginal_support(meant, &lo, &hi);
    if (lo >= low && hi <= high)
        return NRE_OK;
    return fail(NRE_ECONFIG,
                "%s: error: infer.prior.%s: %s lives on [%g, %g], beyond [%g, %g] of %s, "
                "from which the simulations were drawn: the estimator knows nothing out "
                "there; choose a prior within [%g, %g], or train with the wider one:  "
                "parameters: {%s: {prior: ...}}",
                session_place(s, o->where), o->name, marginal_text(meant, s->arena), lo,
                hi, low, high, marginal_text(trained, s->arena), low, high, o->name);
}

/* The support holds it, and yet simulations are too rare there. */
static void warn_astray(const parameter_override *o, const marginal *trained,
                        const marginal *meant)
{
    double low = marginal_cdf(meant, marginal_quantile(trained, 0.5 * HARDLY));
    double high = marginal_cdf(meant, marginal_quantile(trained, 1 - 0.5 * HARDLY));
    double out = 1 - (high - low);
    if (out > ASTRAY)
        log_say(NRE_WARN,
                "infer.prior.%s puts %.0f%% of its mass where only %g%% of the "
                "simulations were drawn: the estimator hardly knows that region",
                o->name, 100 * out, 100 * HARDLY);
}

static int exchange(const session *s, const parameter_override *o, marginal *of)
{
    const prior *p = simulator_prior(s->simulator);
    size_t k = 0;
    while (k + 1 < p->n && strcmp(p->of[k].name, o->name) != 0)
        k++;
    of[k] = (marginal){.name = p->of[k].name,
                       .family = o->prior,
                       .a = o->a,
                       .b = o->b,
                       .lo = o->lo,
                       .hi = o->hi};
    int rc = marginal_check(&of[k]);
    if (rc)
        return fail_within(NRE_ECONFIG, "%s: infer.prior.%s", session_place(s, o->where),
                           o->name);
    rc = check_targets(s, o, k);
    if (!rc)
        rc = check_support(s, o, &p->of[k], &of[k]);
    if (rc)
        return rc;
    marginal_settle(&of[k]);
    warn_astray(o, &p->of[k], &of[k]);
    return NRE_OK;
}

int session_prior(session *s)
{
    const experiment *e = s->experiment;
    const prior *trained = simulator_prior(s->simulator);
    int rc = NRE_OK;
    if (!e->infer.n_priors)
        return NRE_OK;
    if (trained->custom)
        return fail(NRE_ECONFIG,
                    "%s: error: infer.prior: the parameters of '%s' have a joint prior, "
                    "which cannot be exchanged parameter by parameter: leave it out",
                    session_place(s, e->infer.priors[0].where),
                    s->simulator_plugin->plugin->table->name);
    prior *meant = arena_alloc(s->arena, 1, sizeof *meant);
    marginal *of = arena_alloc(s->arena, trained->n, sizeof *of);
    if (!meant || !of)
        return fail(NRE_ENOMEM, "no memory for a session");
    memcpy(of, trained->of, trained->n * sizeof *of);
    for (size_t i = 0; i < e->infer.n_priors && !rc; i++)
        rc = exchange(s, &e->infer.priors[i], of);
    *meant = *trained;
    meant->of = of;
    s->meant = meant;
    return rc;
}

target session_meant(const session *s, size_t which)
{
    target t = s->targets[which];
    if (s->meant)
        t.prior = s->meant;
    return t;
}

json_t *session_prior_json(const session *s)
{
    const experiment *e = s->experiment;
    if (!s->meant)
        return NULL;
    json_t *out = json_object();
    for (size_t k = 0; k < s->meant->n; k++)
        for (size_t i = 0; i < e->infer.n_priors; i++)
            if (!strcmp(s->meant->of[k].name, e->infer.priors[i].name))
                json_object_set_new(
                    out, s->meant->of[k].name,
                    json_string(marginal_text(&s->meant->of[k], s->arena)));
    return out;
}
