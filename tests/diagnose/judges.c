/* Does a diagnostic notice that a ratio is wrong, and must it? */
#include "judges.h"

#include <math.h>
#include <string.h>

static const double ONE_SIDED = 2.326; /* standard errors, 1% */
static const double ROUNDING =
    1e-9; /* nats: gains of the same posterior differ by so little */

const char *const WAY_NAMES[N_WAYS] = {
    [RIGHT] = "right", [NARROW] = "narrow",
    [WIDE] = "wide",   [SHIFTED] = "shifted",
    [LOCAL] = "local", [PRIOR] = "prior",
    [BLIND] = "blind", [UNNORMALISED] = "unnormalised",
    [ODD] = "odd",
};

#define WAY(way_) (1u << (way_))
typedef struct duty {
    const char *name;
    unsigned must;
} duty;
static const duty DUTIES[] = {
    {"coverage", WAY(NARROW) | WAY(WIDE) | WAY(SHIFTED)},
    {"area", WAY(UNNORMALISED)},
    {"gain", WAY(PRIOR)},
    {"gain beside exact", WAY(PRIOR) | WAY(BLIND)},
    {"predictive", WAY(ODD)},
    {"sbc", WAY(NARROW) | WAY(WIDE) | WAY(SHIFTED)},
    {"tarp", WAY(PRIOR) | WAY(BLIND)},
    {"entropy", WAY(NARROW) | WAY(LOCAL)},
    {"posterior_predictive", WAY(ODD)},
    {"auc", WAY(PRIOR) | WAY(BLIND)},
    {"convergence", WAY(SHIFTED)},
    {"local_coverage", WAY(LOCAL)},
    {"lc2st", WAY(PRIOR) | WAY(BLIND)},
};

/* Where the fault leaves hardly a trace in what a diagnostic looks at. */
static const struct {
    const char *simulator, *name;
    unsigned ways;
} EXCUSED[] = {
    /* Regions from 68% on hold the narrow part with room to spare: moved by its deviation they cover
     * .6786, .9488 and .9968 (by integration). */
    {"gaussian_mixture", "coverage", WAY(SHIFTED)},
};

static bool is_excused(const char *of, const char *name, wrong_way way)
{
    for (size_t i = 0; i < sizeof EXCUSED / sizeof EXCUSED[0]; i++)
        if (!strcmp(EXCUSED[i].simulator, of) && !strcmp(EXCUSED[i].name, name))
            return EXCUSED[i].ways & WAY(way);
    return false;
}

bool must_notice(const char *of, const char *name, wrong_way way)
{
    for (size_t i = 0; i < sizeof DUTIES / sizeof DUTIES[0]; i++)
        if (!strcmp(DUTIES[i].name, name))
            return (DUTIES[i].must & WAY(way)) && !is_excused(of, name, way);
    return false;
}

int listed_notices(const diagnostic *d, const subject *s, const diagnostic_options *how,
                   outcome *out)
{
    json_t *row = NULL;
    *out = UNKNOWN;
    if (d->declines && d->declines(s))
        return NRE_OK;
    int status = d->perform(s, how, &row);
    if (status)
        return fail_within(status, "%s", d->name);
    const char *word = json_string_value(json_object_get(row, "verdict"));
    if (word && (!strcmp(word, finding_word(FINDING_FAILS)) ||
                 !strcmp(word, finding_word(FINDING_CAUTIOUS))))
        *out = NOTICES;
    else if (word && !strcmp(word, finding_word(FINDING_OK)))
        *out = SILENT;
    json_decref(row);
    return NRE_OK;
}

static size_t add(const measure *m, size_t n, size_t most, const measure **out)
{
    for (size_t i = 0; i < n; i++)
        if (out[i] == m)
            return n;
    if (n < most)
        out[n++] = m;
    return n;
}

size_t listed_measures(bool (*wanted)(const void *context, const char *name),
                       const void *context, size_t most, const measure **out)
{
    size_t n = 0;
    for (size_t k = 0; k < N_DIAGNOSTICS; k++) {
        const diagnostic *d = DIAGNOSTICS[k];
        for (size_t i = 0; i < d->n_measures && (!wanted || wanted(context, d->name));
             i++)
            n = add(d->measures[i], n, most, out);
    }
    return n;
}

outcome coverage_notices(const coverage_result *c)
{
    if (c->n == 0)
        return UNKNOWN;
    for (size_t i = 0; i < c->n_cells; i++)
        if (c->cells[i].verdict != VERDICT_OK)
            return NOTICES;
    return SILENT;
}

int area_notices(const subject *s, uint64_t observables, outcome *out)
{
    area_result a;
    size_t off = 0;
    *out = UNKNOWN;
    if (!ratio_is_normalised(s->posterior->ratio))
        return NRE_OK;
    int status = area_of(s, observables, &a);
    if (status)
        return status;
    for (uint64_t i = 0; i < a.n; i++)
        off += fabs(a.area[i] - 1) > 0.1;
    if (a.n > 0)
        *out = 10 * off > a.n ? NOTICES : SILENT;
    area_release(&a);
    return NRE_OK;
}

outcome gain_notices(const coverage_result *c)
{
    if (c->n < 2)
        return UNKNOWN;
    return c->gain > ONE_SIDED * c->gain_error ? SILENT : NOTICES;
}

outcome gain_notices_beside(const pair_set *p, const double *exact)
{
    double sum = 0, squares = 0, n = 0;
    for (uint64_t i = 0; i < p->n; i++) {
        double gap = p->standing[i].gain - exact[i];
        if (p->standing[i].missing || isnan(exact[i]))
            continue;
        if (gap == -INFINITY)
            return NOTICES;
        sum += gap, squares += gap * gap, n++;
    }
    if (n < 2)
        return UNKNOWN;
    double error = sqrt(fmax(squares / n - sum * sum / n / n, 0) / n);
    return sum / n < -ONE_SIDED * error - ROUNDING ? NOTICES : SILENT;
}

int predictive_notices(const subject *s, const loader *train, const scaling *scales,
                       outcome *out)
{
    predictive_result p;
    int status = predictive_of(s, train, scales, s->test->n, 1, s->observed, &p);
    if (status)
        return status;
    *out = p.rank[0] > 0.99 ? NOTICES : SILENT;
    predictive_release(&p);
    return NRE_OK;
}
