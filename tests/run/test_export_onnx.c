/* Tests of run/export_onnx.c: raw theta and x through the model are what the ratio says. */
#include "plain_onnx.h"
#include "support.h"

#include <math.h>

enum { N_X = 8, N_THETA = 8, PAIRS = 24, MEMBERS = 2 };

static const char *const SIMULATOR =
    "simulator={plugin: gaussian_linear, params: {dim: 8}}";
/* Scales change within the row, so that columns are taken apart and put together. */
static const char *const PRIORS =
    "parameters={theta_2: {prior: {log_uniform: [0.1, 100]}}, "
    "theta_3: {prior: {log_normal: [1, 0.5]}}, theta_5: {prior: {uniform: [1000, "
    "1001]}}}";

/* One scaling of every kind; column 4 has no variance. */
static scaling *scaling_of(double shift)
{
    static const uint8_t SCALES[N_X] = {
        NRE_SCALE_AFFINE, NRE_SCALE_LOG,   NRE_SCALE_LOG,  NRE_SCALE_LOG1P,
        NRE_SCALE_LOG1P,  NRE_SCALE_ASINH, NRE_SCALE_NONE, NRE_SCALE_AFFINE};
    scaling *c = calloc(1, sizeof *c);
    c->n_x = N_X;
    c->scale = calloc(N_X, sizeof *c->scale);
    c->mean = calloc(N_X, sizeof *c->mean);
    c->inverse = calloc(N_X, sizeof *c->inverse);
    for (size_t i = 0; i < N_X; i++) {
        c->scale[i] = SCALES[i];
        c->mean[i] = (float)(0.1 * (double)i + shift);
        c->inverse[i] = i == 4 ? 0 : (float)(1.5 - 0.1 * (double)i);
    }
    return c;
}

typedef struct setting {
    trial t;
    export_request request;
    float *values[MEMBERS];
    scaling *scalings[MEMBERS];
    model *models[MEMBERS];
    double theta[PAIRS * N_THETA], x[PAIRS * N_X];
} setting;

/* Rows of x with zeros, negative and large values, some off their scale; but where x is taken
 * as it is. */
static void draw_pairs(setting *s)
{
    static const float ODD[] = {0, -3, 1e20f, -1e20f};
    rng r;
    float x[PAIRS * N_X];
    const target *t = &s->t.session->targets[s->request.target];
    rng_start(&r, rng_purpose(1, "pairs"), 0, 0);
    for (size_t i = 0; i < PAIRS * N_X; i++) {
        x[i] = i % 7 || i % N_X == 6 ? (float)exp(rng_normal(&r)) : ODD[i / 7 % 4];
        s->x[i] = (double)x[i];
    }
    for (size_t i = 0; i < PAIRS * t->n; i++)
        s->theta[i] =
            marginal_quantile(&t->prior->of[t->which[i % t->n]], rng_uniform(&r));
}

static void setting_new(setting *s, const char *const *settings, size_t n, double apart)
{
    trial_open(&s->t, settings);
    const net *g = s->t.session->nets[0];
    size_t floats = net_n_weights(g) + net_n_buffers(g);
    s->request = (export_request){
        .session = s->t.session, .n = n, .values = s->values, .scalings = s->scalings};
    for (size_t m = 0; m < n; m++) {
        s->values[m] = calloc(floats, sizeof(float));
        net_init(g, rng_purpose(m, "init"), s->values[m],
                 s->values[m] + net_n_weights(g));
        s->scalings[m] = scaling_of(apart * (double)m);
        cr_assert_eq(
            model_new(g, s->values[m], s->values[m] + net_n_weights(g), &s->models[m]),
            0);
    }
    draw_pairs(s);
}

static void setting_free(setting *s)
{
    for (size_t m = 0; m < s->request.n; m++) {
        model_free(s->models[m]);
        scaling_free(s->scalings[m]);
        free(s->values[m]);
    }
    trial_close(&s->t);
}

static void log_ratios(const setting *s, double *out)
{
    ratio *r = NULL;
    ratio_worker *w = NULL;
    observed *o = NULL;
    float x[PAIRS * N_X];
    for (size_t i = 0; i < PAIRS * N_X; i++)
        x[i] = (float)s->x[i];
    cr_assert_eq(ratio_of_networks(&s->t.session->targets[0], s->request.n, s->models,
                                   s->scalings, &r),
                 0);
    cr_assert_eq(ratio_worker_new(r, &w), 0);
    cr_assert_eq(observed_new(r, &o), 0);
    cr_assert_eq(ratio_observe(r, w, PAIRS, x, o), 0, "%s", error_message());
    cr_assert_eq(ratio_evaluate(r, w, o, 0, PAIRS, 1, s->theta, out, NULL), 0);
    observed_free(o);
    ratio_worker_free(w);
    ratio_free(r);
}

static Onnx__ModelProto *exported(setting *s)
{
    json_t *facts = NULL;
    const char *path = scratch_path(&s->t.s, "model.onnx");
    cr_assert_eq(export_facts(&s->request, &facts), 0, "%s", error_message());
    cr_assert_eq(export_onnx(&s->request, facts, path), 0, "%s", error_message());
    json_decref(facts);
    return plain_onnx_open(path);
}

static void check(const char *const *settings, size_t n, double apart)
{
    setting s;
    double expected[PAIRS], found[PAIRS], least = INFINITY, most = -INFINITY;
    setting_new(&s, settings, n, apart);
    log_ratios(&s, expected);
    Onnx__ModelProto *m = exported(&s);
    plain_onnx_run(m, PAIRS, s.theta, s.x, found);
    for (size_t i = 0; i < PAIRS; i++) {
        cr_assert_float_eq(found[i], expected[i], 2e-6, "%zu: %.9g is not %.9g", i,
                           found[i], expected[i]);
        least = fmin(least, expected[i]);
        most = fmax(most, expected[i]);
    }
    cr_assert_gt(most - least, 0.1);
    onnx__model_proto__free_unpacked(m, NULL);
    setting_free(&s);
}

Test(export_onnx, standardises_as_the_program_does)
{
    check(SETTINGS(SIMULATOR, PRIORS, "infer.target=all"), 1, 0);
    check(SETTINGS(SIMULATOR, PRIORS, "infer.target=[theta_5, theta_2, theta_3]"), 1, 0);
    check(SETTINGS(SIMULATOR, PRIORS, "infer.target=[theta_3]"), 1, 0);
    check(SETTINGS(SIMULATOR, "infer.target=[theta_7, theta_1]"), 1, 0);
}

Test(export_onnx, members_are_averaged)
{
    check(SETTINGS(SIMULATOR, PRIORS, "infer.target=all", "train.ensemble=2"), 2, 0);
    check(SETTINGS(SIMULATOR, PRIORS, "infer.target=all", "train.ensemble=2"), 2, 0.5);
}

Test(export_onnx, inputs_are_raw)
{
    setting s;
    setting_new(&s, SETTINGS(SIMULATOR, "infer.target=[theta_1, theta_2]"), 1, 0);
    Onnx__ModelProto *m = exported(&s);
    const Onnx__TypeProto__Tensor *theta = m->graph->input[0]->type->tensor_type,
                                  *x = m->graph->input[1]->type->tensor_type;
    cr_assert_str_eq(m->graph->input[0]->name, "theta");
    cr_assert_eq(theta->elem_type, ONNX_F64);
    cr_assert_eq(theta->shape->dim[1]->dim_value, 2);
    cr_assert_str_eq(m->graph->input[1]->name, "x");
    cr_assert_eq(x->elem_type, ONNX_F32);
    cr_assert_eq(x->shape->dim[1]->dim_value, N_X);
    cr_assert_str_eq(m->graph->output[0]->name, "log_ratio");
    cr_assert_not_null(strstr(plain_onnx_note(m, "architecture"), "\"mlp\""));
    onnx__model_proto__free_unpacked(m, NULL);
    setting_free(&s);
}
