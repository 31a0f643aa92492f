/* diagnose/pairs.c - one pass over the test pairs for all diagnostics that look at the posterior of
 * each. */
#include "diagnose/diagnose.h"

#include <stdlib.h>

void pairs_free(pair_set *p)
{
    for (size_t i = 0; p && p->value && i < p->n_measures; i++)
        free(p->value[i]);
    if (p) {
        free(p->value);
        free(p->measure);
        free(p->theta);
        free(p->standing);
    }
    free(p);
}

const double *pairs_value(const pair_set *p, const measure *m)
{
    for (size_t i = 0; p && i < p->n_measures; i++)
        if (p->measure[i] == m)
            return p->value[i];
    return NULL;
}

int pairs_need(const subject *s, const measure *m, uint64_t asked, uint64_t *n,
               const double **value)
{
    *value = pairs_value(s->pairs, m);
    if (!*value)
        return fail(NRE_EINTERNAL, "the pass over test pairs did not take '%s'", m->name);
    *n = asked > 0 && asked < s->pairs->n ? asked : s->pairs->n;
    return NRE_OK;
}

static int take_memory(pair_set *p, const target *t, const measure *const *measures)
{
    size_t n = p->n > 0 ? (size_t)p->n : 1, count = p->n_measures + 1;

    p->standing = memory_new(n, sizeof *p->standing);
    p->theta = memory_new(n, p->dim * sizeof *p->theta);
    p->measure = memory_new(count, sizeof *p->measure);
    p->value = memory_new(count, sizeof *p->value);
    if (!p->standing || !p->theta || !p->measure || !p->value)
        return fail(NRE_ENOMEM, "out of memory for %zu test pairs", n);
    for (size_t i = 0; i < p->n_measures; i++) {
        p->measure[i] = measures[i];
        p->value[i] = memory_new(n, measures[i]->width(t) * sizeof(double));
        if (!p->value[i])
            return fail(NRE_ENOMEM, "out of memory for %zu test pairs", n);
    }
    return NRE_OK;
}

int pairs_of(const subject *s, const pairs_plan *wanted, pair_set **out)
{
    const target *t = ratio_target(s->posterior->ratio);
    pair_set *p = *out = memory_new(1, sizeof *p);

    if (!p)
        return fail(NRE_ENOMEM, "out of memory for the test pairs");
    *p = (pair_set){.n = wanted->n,
                    .dim = t->n,
                    .deviances = wanted->deviances,
                    .snap = wanted->snap,
                    .n_measures = wanted->n_measures};
    int status = take_memory(p, t, wanted->measures);
    standing_request q = {.n = wanted->n,
                          .ranks = true, /* the gain needs as good a posterior */
                          .deviances = wanted->deviances,
                          .snap = wanted->snap,
                          .n_measures = wanted->n_measures,
                          .measures = wanted->measures,
                          .value = p->value,
                          .purpose = "coverage",
                          .rows = "test pairs"};
    if (!status)
        status = pair_standings(s, &q, p->standing, p->theta);
    if (status) {
        pairs_free(p);
        *out = NULL;
    }
    return status;
}

static size_t draw_width(const target *t)
{
    return t->n;
}

static int draw_take(const pair_view *v, double *out)
{
    posterior_draws(v->grid, v->cloud, 1, v->rng, out);
    return NRE_OK;
}

const measure measure_draw = {.name = "draw", .width = draw_width, .take = draw_take};
