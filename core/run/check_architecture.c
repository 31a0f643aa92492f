/* What an architecture owes, tested. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 5, PER_X = 3, PAIRS = ROWS * PER_X, MOST_THETA = 5 };

static const net_field NUMBER = {"x", {1, {1}}, 0}, VALUES = {"x", {1, {8}}, 0},
                       CURVE = {"x", {2, {1, 62}}, 0}, CHANNELS = {"x", {2, {3, 50}}, 0},
                       POINTS = {"x", {2, {12, 2}}, 1},
                       IMAGE = {"x", {3, {3, 16, 16}}, 0};
static const net_field BOTH[2] = {{"spectrum", {2, {2, 40}}, 0}, {"count", {1, {3}}, 0}};

static const struct {
    const char *says;
    net_inputs inputs;
} SHAPES[] = {
    {"a curve", {2, 1, &CURVE}},
    {"one value", {1, 1, &NUMBER}},
    {"8 values", {5, 1, &VALUES}},
    {"3 channels of 50", {2, 1, &CHANNELS}},
    {"exchangeable rows", {3, 1, &POINTS}},
    {"an image", {2, 1, &IMAGE}},
    {"two fields", {4, 2, BOTH}},
};
enum { N_SHAPES = sizeof SHAPES / sizeof SHAPES[0] };

/* The child ends, so that nothing is freed. */
static int build_net(const checked *c, size_t shape, net **out)
{
    instance *i = NULL;
    *out = NULL;
    check_note(c, "%s", SHAPES[shape].says);
    int rc = instance_new(c->plugin, c->values, c->services, &i);
    return rc ? rc : net_new(c->plugin->table, i->self, &SHAPES[shape].inputs, out);
}

/* A refusal with a sentence is an answer, as long as some shape is accepted. */
static int builds(const checked *c)
{
    char refusal[512] = "", note[CHECK_NOTE];
    size_t built = 0;
    for (size_t i = 0; i < N_SHAPES; i++) {
        net *g;
        if (build_net(c, i, &g) == NRE_OK)
            built++;
        else
            snprintf(refusal, sizeof refusal, "%s: %s", SHAPES[i].says, error_message());
    }
    if (built == 0)
        return fail(NRE_EPLUGIN, "none of %d shapes of x is accepted; %s", N_SHAPES,
                    refusal);
    snprintf(note, sizeof note, "%zu of %d shapes%s%.160s", built, N_SHAPES,
             *refusal ? "; refused " : "", refusal);
    check_note(c, "%s", note);
    return NRE_OK;
}

typedef struct network {
    net *g;
    size_t n_theta, n_x;
    float *weights, *buffers;
    float *x, *theta; /* [ROWS][n_x], [PAIRS][n_theta], standard normal */
    float *head, logit[PAIRS], *gradient;
} network;

static float *new_normals(size_t n, const char *purpose)
{
    rng r;
    float *x = memory_new(n, sizeof *x);
    rng_start(&r, rng_purpose(1, "%s/check", purpose), 0, 0);
    for (size_t i = 0; x && i < n; i++)
        x[i] = (float)rng_normal(&r);
    return x;
}

/* Weights as at the start of training; NRE_ENOTSUP when this shape is refused. */
static int open_network(const checked *c, size_t shape, network *w)
{
    *w = (network){.n_theta = SHAPES[shape].inputs.n_theta};
    int rc = blas_start();
    if (rc != NRE_OK)
        return rc;
    if (build_net(c, shape, &w->g))
        return NRE_ENOTSUP;
    w->n_x = net_x_size(w->g);
    w->weights = memory_new(net_n_weights(w->g) + 1, sizeof *w->weights);
    w->buffers = memory_new(net_n_buffers(w->g) + 1, sizeof *w->buffers);
    w->x = new_normals(ROWS * w->n_x, "x");
    w->theta = new_normals(PAIRS * w->n_theta, "theta");
    w->gradient = memory_new(PAIRS * w->n_theta, sizeof *w->gradient);
    if (!w->weights || !w->buffers || !w->x || !w->theta || !w->gradient)
        return fail(NRE_ENOMEM, "no memory for a network");
    net_init(w->g, rng_purpose(1, "init/check"), w->weights, w->buffers);
    return NRE_OK;
}

static int evaluate(network *w, const float *theta, float *logit, float *gradient)
{
    model *m = NULL;
    model_worker *worker = NULL;
    int rc = model_new(w->g, w->weights, w->buffers, &m);
    if (rc == NRE_OK)
        rc = model_worker_new(m, &worker);
    if (rc != NRE_OK)
        return rc;
    w->head = memory_new(ROWS * model_head_size(m) + 1, sizeof *w->head);
    rc = w->head ? model_head(m, worker, ROWS, w->x, w->head)
                 : fail(NRE_ENOMEM, "no memory for a network");
    if (rc == NRE_OK)
        rc = model_trunk(m, worker, ROWS, PER_X, w->head, theta, logit, gradient);
    free(w->head);
    model_worker_free(worker);
    model_free(m);
    return rc;
}

/* For each shape that is accepted. */
static int for_all_shapes(const checked *c, int (*holds)(const checked *c, network *w))
{
    for (size_t i = 0; i < N_SHAPES; i++) {
        network w;
        int rc = open_network(c, i, &w);
        if (rc == NRE_ENOTSUP)
            continue;
        if (rc == NRE_OK)
            rc = evaluate(&w, w.theta, w.logit, w.gradient);
        if (rc == NRE_OK)
            rc = holds(c, &w);
        if (rc != NRE_OK)
            return fail_within(rc, "%s", SHAPES[i].says);
    }
    check_note(c, "%s", "");
    return NRE_OK;
}

static int is_finite(const checked *c, network *w)
{
    (void)c;
    for (size_t i = 0; i < PAIRS; i++)
        if (!isfinite(w->logit[i]))
            return fail(NRE_EPLUGIN, "the logit of pair %zu is %g", i,
                        (double)w->logit[i]);
    for (size_t i = 0; i < PAIRS * w->n_theta; i++)
        if (!isfinite(w->gradient[i]))
            return fail(NRE_EPLUGIN, "a derivative of pair %zu by theta is %g",
                        i / w->n_theta, (double)w->gradient[i]);
    return NRE_OK;
}

static int outputs_are_finite(const checked *c)
{
    return for_all_shapes(c, is_finite);
}

/* Central differences in float: rounding is some 1e-3 of the largest derivative.  An
 * activation may have a kink within, hence the share. */
static int slopes(const checked *c, network *w)
{
    const float step = 2e-3F;
    float up[PAIRS], down[PAIRS];
    size_t wrong = 0, n = PAIRS * w->n_theta;
    double most = 1e-3, first[2] = {0, 0};
    (void)c;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)w->gradient[i]));
    for (size_t k = 0; k < w->n_theta; k++) {
        float *moved = new_normals(PAIRS * w->n_theta, "theta");
        if (!moved)
            return fail(NRE_ENOMEM, "no memory for a network");
        for (size_t i = 0; i < PAIRS; i++)
            moved[i * w->n_theta + k] = w->theta[i * w->n_theta + k] + step;
        int rc = evaluate(w, moved, up, NULL);
        for (size_t i = 0; i < PAIRS; i++)
            moved[i * w->n_theta + k] = w->theta[i * w->n_theta + k] - step;
        if (rc == NRE_OK)
            rc = evaluate(w, moved, down, NULL);
        free(moved);
        if (rc != NRE_OK)
            return rc;
        for (size_t i = 0; i < PAIRS; i++) {
            double slope = 0.5 * ((double)up[i] - (double)down[i]) / (double)step;
            double gradient = (double)w->gradient[i * w->n_theta + k];
            if (fabs(slope - gradient) < 0.02 * most)
                continue;
            wrong++;
            first[0] = gradient, first[1] = slope;
        }
    }
    return 10 * wrong <= n
               ? NRE_OK
               : fail(NRE_EPLUGIN,
                      "%zu of %zu derivatives disagree with differences, such as %g "
                      "with %g",
                      wrong, n, first[0], first[1]);
}

static int gradient_is_right(const checked *c)
{
    return for_all_shapes(c, slopes);
}

static bool depends_on(network *w, float *values, size_t n)
{
    float logit[PAIRS];
    for (size_t i = 0; i < n; i++)
        values[i] += 1;
    bool known = evaluate(w, w->theta, logit, NULL) == NRE_OK;
    return !known || memcmp(logit, w->logit, sizeof logit) != 0;
}

static int uses_both(const checked *c, network *w)
{
    (void)c;
    if (!depends_on(w, w->theta, PAIRS * w->n_theta))
        return fail(NRE_EPLUGIN, "the logit does not depend on theta");
    if (evaluate(w, w->theta, w->logit, NULL) || !depends_on(w, w->x, ROWS * w->n_x))
        return fail(NRE_EPLUGIN, "the logit does not depend on x");
    return NRE_OK;
}

static int depends_on_theta_and_x(const checked *c)
{
    return for_all_shapes(c, uses_both);
}

/* weights in a file */

static int save(const network *w, const char *path)
{
    store *s = NULL;
    size_t n_weights, n_buffers;
    const net_tensor *weights = net_weights(w->g, &n_weights);
    const net_tensor *buffers = net_buffers(w->g, &n_buffers);
    int rc = store_create(path, &s);
    if (rc == NRE_OK)
        rc = weights_put(s, "weights", n_weights, weights, w->weights);
    if (rc == NRE_OK)
        rc = weights_put(s, "buffers", n_buffers, buffers, w->buffers);
    return rc ? rc : store_commit(s);
}

static int load(network *w, const char *path)
{
    store *s = NULL;
    size_t n_weights, n_buffers;
    const net_tensor *weights = net_weights(w->g, &n_weights);
    const net_tensor *buffers = net_buffers(w->g, &n_buffers);
    memset(w->weights, 0, net_n_weights(w->g) * sizeof *w->weights);
    int rc = store_open(path, &s);
    if (rc == NRE_OK)
        rc = weights_get(s, "weights", n_weights, weights, w->weights);
    if (rc == NRE_OK)
        rc = weights_get(s, "buffers", n_buffers, buffers, w->buffers);
    store_close(s);
    return rc;
}

/* Built anew before it is loaded: names and shapes are the same every time. */
static int comes_back(const checked *c, network *w)
{
    const char *temporary = getenv("TMPDIR");
    char *path =
        arena_print(c->arena, "%s/nereid-check-XXXXXX", temporary ? temporary : "/tmp");
    float logit[PAIRS];
    instance *i = NULL;
    size_t shape = 0;
    while (shape + 1 < N_SHAPES && strcmp(SHAPES[shape].says, c->note) != 0)
        shape++;
    int file = path ? mkstemp(path) : -1;
    if (file < 0)
        return fail(NRE_EIO, "no temporary file can be made");
    close(file);
    int rc = save(w, path);
    if (rc == NRE_OK)
        rc = instance_new(c->plugin, c->values, c->services, &i);
    if (rc == NRE_OK)
        rc = net_new(c->plugin->table, i->self, &SHAPES[shape].inputs, &w->g);
    if (rc == NRE_OK)
        rc = load(w, path);
    unlink(path);
    if (rc == NRE_OK)
        rc = evaluate(w, w->theta, logit, NULL);
    if (rc == NRE_OK && memcmp(logit, w->logit, sizeof logit) != 0)
        return fail(NRE_EPLUGIN, "loaded weights give other logits than the saved ones");
    return rc;
}

static int weights_come_back(const checked *c)
{
    return for_all_shapes(c, comes_back);
}

const contract ARCHITECTURE_CONTRACT[] = {
    {"it builds networks of one output", builds, true},
    {"logits and derivatives are finite", outputs_are_finite, false},
    {"the logit depends on theta and on x", depends_on_theta_and_x, false},
    {"derivatives by theta agree with differences", gradient_is_right, false},
    {"weights come back from a file", weights_come_back, false},
    {.says = NULL},
};
