/* data/target.c - the parameters that a ratio is about. */
#include "data/data.h"

#include <string.h>

static int find_parameter(const simulator *s, const char *name, uint32_t *out)
{
    size_t n = simulator_n_theta(s);
    const char *const *names = simulator_names(s);
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) {
            *out = i;
            return NRE_OK;
        }
    const char *near = text_nearest(name, n, names);
    return fail(NRE_ECONFIG, "simulator '%s' has no parameter '%s'%s%s%s",
                simulator_instance(s)->plugin->table->name, name,
                near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int find_all(const simulator *s, size_t n, const char *const *names,
                    uint32_t *which)
{
    for (size_t i = 0; i < n; i++) {
        int status = find_parameter(s, names[i], &which[i]);
        if (status != NRE_OK)
            return status;
        for (size_t k = 0; k < i; k++)
            if (which[k] == which[i])
                return fail(NRE_ECONFIG, "the target names '%s' twice", names[i]);
    }
    return NRE_OK;
}

int target_of(const simulator *s, arena *a, bool all, size_t n, const char *const *names,
              target *out)
{
    size_t count = all ? simulator_n_theta(s) : n;
    const char *const *named = all ? simulator_names(s) : names;
    if (count == 0)
        return fail(NRE_ECONFIG, "a target needs at least one parameter");
    if (count > simulator_n_theta(s))
        return fail(NRE_ECONFIG,
                    "a target of %zu parameters, where simulator '%s' has %zu", count,
                    simulator_instance(s)->plugin->table->name, simulator_n_theta(s));
    uint32_t *which = arena_alloc(a, count, sizeof *which);
    if (!which)
        return fail(NRE_ENOMEM, "no memory for a target");
    int status = find_all(s, count, named, which);
    if (status != NRE_OK)
        return status;
    char *text = arena_copy(a, all ? "all" : named[0]);
    for (size_t i = 1; text && !all && i < count; i++)
        text = arena_print(a, "%s,%s", text, named[i]);
    if (!text)
        return fail(NRE_ENOMEM, "no memory for a target");
    *out = (target){
        .name = text, .n = (uint32_t)count, .which = which, .prior = simulator_prior(s)};
    return NRE_OK;
}

void target_columns(const target *t, size_t n, const double *theta, double *out)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < t->n; k++)
            out[i * t->n + k] = theta[i * t->prior->n + t->which[k]];
}

void target_standardise(const target *t, size_t n, const double *theta, float *z,
                        double *derivative)
{
    for (size_t i = 0; i < n * t->n; i++) {
        size_t k = i % t->n;
        const marginal *m = &t->prior->of[t->which[k]];
        double one =
            marginal_standardise(m, theta[i], derivative ? &derivative[i] : NULL);
        z[i] = (float)(t->centre ? (one - t->centre[k]) / t->deviation[k] : one);
        if (derivative && t->centre)
            derivative[i] /= t->deviation[k];
    }
}

bool target_natural(const target *t, size_t k, double *centre, double *deviation)
{
    bool by_log = marginal_natural(&t->prior->of[t->which[k]], centre, deviation);
    if (t->centre) {
        *centre += t->centre[k] * *deviation;
        *deviation *= t->deviation[k];
    }
    return by_log;
}
