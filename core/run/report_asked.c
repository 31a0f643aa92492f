/* What was asked, in words: for the first lines of a page. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_ASKED = 8 };

typedef struct asking {
    const run *run;
    arena *arena;
    size_t n;
    const char *item[MOST_ASKED][2];
    bool failed;
} asking;

static void say(asking *q, const char *what, const char *words)
{
    q->failed = q->failed || !words;
    if (q->n < MOST_ASKED && words && *words) {
        q->item[q->n][0] = what;
        q->item[q->n++][1] = words;
    }
}

static const char *thousands(arena *a, uint64_t n)
{
    return n < 1000 ? arena_print(a, "%llu", (unsigned long long)n)
                    : arena_print(a, "%s,%03llu", thousands(a, n / 1000),
                                  (unsigned long long)(n % 1000));
}

/* "beta, d_infectious; and all 6 parameters" */
static const char *targets_words(const asking *q)
{
    const session *s = q->run->session;
    const char *text = "";
    for (size_t i = 0; i < s->n_targets && text; i++) {
        const target *t = &s->targets[i];
        text = arena_print(q->arena, "%s%s", text, i ? "; and of " : "The posterior of ");
        if (text && !strcmp(t->name, "all"))
            text = arena_print(q->arena, "%sall %u parameter%s", text, (unsigned)t->n,
                               t->n == 1 ? "" : "s");
        for (uint32_t k = 0; strcmp(t->name, "all") != 0 && k < t->n && text; k++) {
            const nre_theta *p = simulator_theta(s->simulator, t->which[k]);
            text = arena_print(q->arena, "%s%s%s%s%s%s", text, k ? ", " : "", p->name,
                               p->unit && *p->unit ? " [" : "",
                               p->unit && *p->unit ? p->unit : "",
                               p->unit && *p->unit ? "]" : "");
        }
    }
    return text;
}

/* Four digits of each number are enough to read: 0.3162 for 0.31622776601683794. */
static const char *shortened(arena *a, const char *text)
{
    const char *out = "";
    while (text && *text && out) {
        size_t words = strcspn(text, "0123456789"), digits;
        char *end = NULL;
        double value = text[words] ? strtod(text + words, &end) : 0;
        digits = end ? (size_t)(end - (text + words)) : 0;
        bool name = words && (text[words - 1] == '_' || (text[words - 1] | 32) >= 'a');
        if (digits > 6 && !name)
            out = arena_print(a, "%s%.*s%.4g", out, (int)words, text, value);
        else
            out = arena_print(a, "%s%.*s", out, (int)(words + digits), text);
        text += words + digits;
    }
    return out;
}

/* "beta ~ uniform(0.5, 10), .." of the simulations. */
static const char *prior_words(const asking *q)
{
    const prior *p = q->run->session->targets[0].prior;
    const char *text = "";
    if (p->custom)
        return "a joint prior of the simulator's own";
    for (size_t k = 0; k < p->n && text; k++)
        text = arena_print(q->arena, "%s%s%s ~ %s", text, k ? ", " : "", p->of[k].name,
                           shortened(q->arena, marginal_text(&p->of[k], q->arena)));
    return text;
}

static const char *simulator_words(const asking *q)
{
    const nre_plugin *t = q->run->session->simulator_plugin->plugin->table;
    return t->summary && *t->summary
               ? arena_print(q->arena, "%s: %s", t->name, t->summary)
               : t->name;
}

static const char *observed_words(const asking *q)
{
    const experiment *e = q->run->session->experiment;
    const char *rows =
        q->run->n_rows > 1 ? arena_print(q->arena, ", %zu rows", q->run->n_rows) : "";
    if (q->run->source != q->run->folder)
        return arena_print(q->arena, "given by hand%s", rows);
    if (e->infer.observation.simulate.wanted)
        return arena_print(q->arena, "simulated, so that the truth is known%s", rows);
    const char *path = e->infer.observation.file,
               *slash = path ? strrchr(path, '/') : NULL;
    return path ? arena_print(q->arena, "%s%s", slash ? slash + 1 : path, rows)
                : "none: the estimator alone was asked for";
}

static const char *simulations_words(const asking *q)
{
    const experiment *e = q->run->session->experiment;
    const char *text = "";
    for (size_t i = 0; i < N_PURPOSES && text; i++) {
        static const char *const FOR[] = {"to train on", "to choose the best epoch",
                                          "to test on", "to calibrate with"};
        uint64_t n = dataset_request_of(e, i)->n;
        if (!dataset_is_needed(e, i) || !n)
            continue;
        text = arena_print(q->arena, "%s%s%s %s", text, *text ? ", " : "",
                           thousands(q->arena, n), FOR[i]);
    }
    return text;
}

static const char *estimator_words(const asking *q)
{
    const experiment *e = q->run->session->experiment;
    const char *many = e->train.ensemble > 1
                           ? arena_print(q->arena, "%llu networks of ",
                                         (unsigned long long)e->train.ensemble)
                           : "a network of ";
    if (uses_abc(e))
        return "approximate Bayesian computation, no network";
    if (e->estimator == ESTIMATOR_EXACT)
        return "the simulator's own likelihood, no network";
    if (e->estimator == ESTIMATOR_PRIOR)
        return "the prior itself, no network";
    return arena_print(
        q->arena, "%sarchitecture %s, at most %llu epochs with loss %s%s%s", many,
        e->architecture.name, (unsigned long long)e->train.epochs, e->train.loss.name,
        calibrates(e) ? ", calibrated: " : "", calibrates(e) ? calibration_words(e) : "");
}

static const char *sampler_words(const asking *q)
{
    const experiment *e = q->run->session->experiment;
    if (uses_abc(e) || !e->infer.sampler.component.name)
        return "";
    return arena_print(q->arena, "%s, %s draws in each of %s chains",
                       e->infer.sampler.component.name,
                       thousands(q->arena, e->infer.sampler.draws),
                       thousands(q->arena, e->infer.sampler.chains));
}

int report_asked(const run *r, arena *a, size_t *n, const char *const (**out)[2])
{
    asking q = {.run = r, .arena = a};
    say(&q, "Question", targets_words(&q));
    say(&q, "Observation", observed_words(&q));
    say(&q, "Simulator", simulator_words(&q));
    say(&q, "Prior", prior_words(&q));
    say(&q, "Simulations", simulations_words(&q));
    say(&q, "Estimator", estimator_words(&q));
    say(&q, "Sampler", sampler_words(&q));
    say(&q, "Seed",
        arena_print(a, "%llu", (unsigned long long)r->session->experiment->seed));
    const char *(*items)[2] = arena_alloc(a, MOST_ASKED, sizeof *items);
    if (q.failed || !items)
        return fail(NRE_ENOMEM, "no memory for the page");
    memcpy(items, q.item, sizeof q.item);
    *n = q.n;
    *out = (const char *const(*)[2])items;
    return NRE_OK;
}
