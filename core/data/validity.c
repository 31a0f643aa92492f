/* data/validity.c - P(valid | theta) by logistic regression on attempts. */
#include "data/data.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Attempts kept of each kind; beyond CROSS_MOST parameters squares without products. */
enum { KEEP_MOST = 1 << 16, CROSS_MOST = 16, STEPS_MOST = 100 };
#define RIDGE 1e-2 /* keeps coefficients finite where theta separates exactly */

/* Attempts whose hash lies below a threshold that is halved when too many are kept: what
 * remains does not depend on the order in which they came. */
typedef struct sample {
    uint64_t seen;
    uint64_t threshold;
    size_t n, room;
    struct kept {
        uint64_t hash;
        double *theta; /* [n_theta] */
    } * kept;
} sample;

struct validity {
    const prior *prior;
    pthread_mutex_t lock;
    bool out_of_memory;
    sample valid, invalid;
};

struct validity_model {
    const prior *prior;
    size_t k;
    uint32_t *which; /* [k], the parameters */
    double *weight;  /* [n_features(k)] */
};

/* the attempts */

validity *validity_new(const prior *p)
{
    validity *v = memory_new(1, sizeof *v);
    if (!v)
        return NULL;
    v->prior = p;
    v->valid.threshold = v->invalid.threshold = UINT64_MAX;
    pthread_mutex_init(&v->lock, NULL);
    return v;
}

size_t validity_n_theta(const validity *v)
{
    return v->prior->n;
}

static void sample_clear(sample *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->kept[i].theta);
    free(s->kept);
}

void validity_free(validity *v)
{
    if (!v)
        return;
    sample_clear(&v->valid);
    sample_clear(&v->invalid);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

static void halve(sample *s)
{
    size_t kept = 0;
    s->threshold /= 2;
    for (size_t i = 0; i < s->n; i++)
        if (s->kept[i].hash <= s->threshold)
            s->kept[kept++] = s->kept[i];
        else
            free(s->kept[i].theta);
    s->n = kept;
}

static bool sample_add(sample *s, size_t d, const double *theta)
{
    uint64_t h = hash_bytes(theta, d * sizeof *theta).low;
    s->seen++;
    if (h > s->threshold)
        return true;
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 256;
        void *more = realloc(s->kept, room * sizeof *s->kept);
        if (!more)
            return false;
        s->kept = more;
        s->room = room;
    }
    double *copy = memory_new(d, sizeof *copy);
    if (!copy)
        return false;
    memcpy(copy, theta, d * sizeof *copy);
    s->kept[s->n++] = (struct kept){h, copy};
    while (s->n > KEEP_MOST && s->threshold > 0)
        halve(s);
    return true;
}

void validity_add(validity *v, size_t n, const double *theta, const uint8_t *valid)
{
    size_t d = v->prior->n;
    pthread_mutex_lock(&v->lock);
    for (size_t i = 0; i < n; i++) {
        sample *s = !valid || valid[i] ? &v->valid : &v->invalid;
        if (!sample_add(s, d, theta + i * d))
            v->out_of_memory = true;
    }
    pthread_mutex_unlock(&v->lock);
}

/* in a file */

static int sample_put(store *f, const char *name, const sample *s, size_t d)
{
    double *theta = memory_new(s->n + 1, d * sizeof *theta);
    if (!theta)
        return fail(NRE_ENOMEM, "no memory to write attempts");
    for (size_t i = 0; i < s->n; i++)
        memcpy(theta + i * d, s->kept[i].theta, d * sizeof *theta);
    int status = store_put(f, name, STORE_F64, 2, (uint64_t[]){s->n, d}, theta);
    free(theta);
    return status;
}

static int put_samples(store *f, const validity *v)
{
    const sample none = {0}, *valid = v->invalid.seen ? &v->valid : &none;
    int status = v->out_of_memory ? fail(NRE_ENOMEM, "no memory for attempts") : NRE_OK;
    if (!status)
        status = store_put_int(f, "valid_seen", (int64_t)v->valid.seen);
    if (!status)
        status = store_put_int(f, "invalid_seen", (int64_t)v->invalid.seen);
    if (!status)
        status = sample_put(f, "valid", valid, v->prior->n);
    return status ? status : sample_put(f, "invalid", &v->invalid, v->prior->n);
}

int validity_save(const validity *v, const char *path)
{
    store *f = NULL;
    int status = store_create(path, &f);
    if (!status)
        status = put_samples(f, v);
    if (!status) {
        status = store_commit(f);
        f = NULL;
    }
    store_close(f);
    return status ? fail_within(status, "%s", path) : NRE_OK;
}

static int sample_get(store *f, const char *name, const char *seen, sample *s, size_t d)
{
    store_shape shape = {.rank = 0};
    int64_t all = 0;
    double *theta = NULL;
    int status = store_get_int(f, seen, &all);
    if (!status)
        status = store_shape_of(f, name, &shape);
    if (!status &&
        (shape.rank != 2 || shape.dim[1] != d || all < 0 || shape.dim[0] > (uint64_t)all))
        status = fail(NRE_EDATA, "%s does not hold attempts of %zu parameters", name, d);
    size_t n = status ? 0 : (size_t)shape.dim[0];
    if (!status && !(theta = memory_new(n + 1, d * sizeof *theta)))
        status = fail(NRE_ENOMEM, "no memory to read attempts");
    if (!status)
        status = store_get(f, name, STORE_F64, n * d, theta);
    for (size_t i = 0; i < n && !status; i++)
        if (!sample_add(s, d, theta + i * d))
            status = fail(NRE_ENOMEM, "no memory to read attempts");
    if (!status)
        s->seen = (uint64_t)all;
    free(theta);
    return status;
}

int validity_load(const char *path, validity *v)
{
    store *f = NULL;
    int status = store_open(path, &f);
    if (!status)
        status = sample_get(f, "valid", "valid_seen", &v->valid, v->prior->n);
    if (!status)
        status = sample_get(f, "invalid", "invalid_seen", &v->invalid, v->prior->n);
    store_close(f);
    return status ? fail_within(status, "%s", path) : NRE_OK;
}

/* features */

static size_t n_features(size_t d)
{
    return d <= CROSS_MOST ? 1 + d + d * (d + 1) / 2 : 1 + 2 * d;
}

/* 1, z_i, z_i z_j, of the standardised parameters z [d]. */
static void features_of(size_t d, const double *z, double *f)
{
    *f++ = 1;
    for (size_t i = 0; i < d; i++)
        *f++ = z[i];
    for (size_t i = 0; i < d; i++)
        for (size_t k = i; k < (d <= CROSS_MOST ? d : i + 1); k++)
            *f++ = z[i] * z[k];
}

static double linear_predictor(const validity_model *m, const double *z, double *gradient)
{
    size_t d = m->k;
    const double *w = m->weight;
    double eta = *w++;
    for (size_t i = 0; i < d; i++) {
        gradient[i] = *w;
        eta += *w++ * z[i];
    }
    for (size_t i = 0; i < d; i++)
        for (size_t k = i; k < (d <= CROSS_MOST ? d : i + 1); k++, w++) {
            eta += *w * z[i] * z[k];
            gradient[i] += *w * z[k];
            gradient[k] += *w * z[i];
        }
    return eta;
}

static double softplus(double t)
{
    return t > 0 ? t + log1p(exp(-t)) : log1p(exp(t));
}

/* the fit */

typedef struct fit {
    size_t n, p;
    double *feature;         /* [n][p] */
    double *sign;            /* [n], 1 valid, -1 not */
    double *count;           /* [n], attempts that the row stands for */
    double *gradient, *step; /* [p] */
    double *hessian;         /* [p][p], then its Cholesky factor */
    double *trial;           /* [p] */
    double *z;               /* [k] */
} fit;

static int by_hash(const void *a, const void *b)
{
    const struct kept *left = a, *right = b;
    return left->hash < right->hash ? -1 : left->hash > right->hash;
}

/* Sorted, so that sums have one order. */
static void fit_rows(const validity_model *m, fit *f, const sample *s, double sign)
{
    qsort(s->kept, s->n, sizeof *s->kept, by_hash);
    for (size_t i = 0; i < s->n; i++, f->n++) {
        for (size_t k = 0; k < m->k; k++)
            f->z[k] = marginal_standardise(&m->prior->of[m->which[k]],
                                           s->kept[i].theta[m->which[k]], NULL);
        features_of(m->k, f->z, f->feature + f->n * f->p);
        f->sign[f->n] = sign;
        f->count[f->n] = (double)s->seen / (double)s->n;
    }
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double loss_at(const fit *f, const double *w)
{
    double loss = 0.5 * RIDGE * dot(f->p - 1, w + 1, w + 1);
    for (size_t i = 0; i < f->n; i++)
        loss += f->count[i] * softplus(-f->sign[i] * dot(f->p, f->feature + i * f->p, w));
    return loss;
}

static void derivatives_at(fit *f, const double *w)
{
    size_t p = f->p;
    memset(f->hessian, 0, p * p * sizeof *f->hessian);
    for (size_t k = 0; k < p; k++) {
        f->gradient[k] = k ? RIDGE * w[k] : 0;
        f->hessian[k * p + k] = k ? RIDGE : 1e-12;
    }
    for (size_t i = 0; i < f->n; i++) {
        const double *x = f->feature + i * p;
        double eta = dot(p, x, w), share = 1 / (1 + exp(f->sign[i] * eta));
        double slope = -f->sign[i] * f->count[i] * share;
        double curve = f->count[i] * share * (1 - share);
        for (size_t k = 0; k < p; k++) {
            f->gradient[k] += slope * x[k];
            for (size_t l = 0; l <= k; l++)
                f->hessian[k * p + l] += curve * x[k] * x[l];
        }
    }
}

/* step = hessian^-1 gradient by Cholesky, in place; false when it is not positive. */
static bool solve(fit *f)
{
    size_t p = f->p;
    double *c = f->hessian, *s = f->step;
    for (size_t k = 0; k < p; k++)
        for (size_t l = 0; l <= k; l++) {
            double rest = c[k * p + l] - dot(l, c + k * p, c + l * p);
            if (k == l && !(rest > 0))
                return false;
            c[k * p + l] = k == l ? sqrt(rest) : rest / c[l * p + l];
        }
    for (size_t k = 0; k < p; k++)
        s[k] = (f->gradient[k] - dot(k, c + k * p, s)) / c[k * p + k];
    for (size_t k = p; k-- > 0;) {
        for (size_t l = k + 1; l < p; l++)
            s[k] -= c[l * p + k] * s[l];
        s[k] /= c[k * p + k];
    }
    return true;
}

/* Go along the step as far as the loss falls, at most 20 halvings; false when it does
 * not. */
static bool descend(fit *f, double *w, double *loss)
{
    double length = 1;
    for (int halved = 0; halved < 20; halved++) {
        for (size_t k = 0; k < f->p; k++)
            f->trial[k] = w[k] - length * f->step[k];
        double next = loss_at(f, f->trial);
        if (next < *loss) {
            *loss = next;
            memcpy(w, f->trial, f->p * sizeof *w);
            return true;
        }
        length /= 2;
    }
    return false;
}

static int minimise(fit *f, double *w)
{
    double loss = loss_at(f, w);
    for (int i = 0; i < STEPS_MOST; i++) {
        derivatives_at(f, w);
        if (!solve(f))
            return fail(NRE_ENUMERIC, "the fit of P(valid | theta) is singular");
        if (dot(f->p, f->gradient, f->step) < 1e-10 * (1 + loss) || !descend(f, w, &loss))
            break;
    }
    return NRE_OK;
}

static bool fit_allocate(fit *f, size_t n, size_t p, size_t k)
{
    *f = (fit){.p = p};
    f->feature = memory_new(n, p * sizeof *f->feature);
    f->sign = memory_new(n, sizeof *f->sign);
    f->count = memory_new(n, sizeof *f->count);
    f->gradient = memory_new(p, sizeof *f->gradient);
    f->step = memory_new(p, sizeof *f->step);
    f->trial = memory_new(p, sizeof *f->trial);
    f->hessian = memory_new(p, p * sizeof *f->hessian);
    f->z = memory_new(k, sizeof *f->z);
    return f->feature && f->sign && f->count && f->gradient && f->step && f->trial &&
           f->hessian && f->z;
}

static void fit_clear(fit *f)
{
    free(f->feature);
    free(f->sign);
    free(f->count);
    free(f->gradient);
    free(f->step);
    free(f->trial);
    free(f->hessian);
    free(f->z);
}

static validity_model *model_new(const prior *p, size_t k, const uint32_t *which)
{
    validity_model *m = memory_new(1, sizeof *m);
    if (!m)
        return NULL;
    m->prior = p;
    m->k = k;
    m->which = memory_new(k, sizeof *m->which);
    m->weight = memory_new(n_features(k), sizeof *m->weight);
    if (!m->which || !m->weight) {
        validity_model_free(m);
        return NULL;
    }
    for (uint32_t i = 0; i < k; i++)
        m->which[i] = which ? which[i] : i;
    return m;
}

void validity_model_free(validity_model *m)
{
    if (!m)
        return;
    free(m->which);
    free(m->weight);
    free(m);
}

static int fit_model(const validity *v, validity_model *m)
{
    fit f;
    int status = NRE_ENOMEM;
    if (fit_allocate(&f, v->valid.n + v->invalid.n, n_features(m->k), m->k)) {
        fit_rows(m, &f, &v->valid, 1);
        fit_rows(m, &f, &v->invalid, -1);
        m->weight[0] = log((double)v->valid.seen / (double)v->invalid.seen);
        status = minimise(&f, m->weight);
    } else {
        fail(NRE_ENOMEM, "no memory for the fit of P(valid | theta)");
    }
    fit_clear(&f);
    return status;
}

int validity_fit(const validity *v, size_t k, const uint32_t *which, validity_model **out)
{
    *out = NULL;
    if (v->out_of_memory)
        return fail(NRE_ENOMEM, "no memory for the fit of P(valid | theta)");
    if (v->invalid.seen == 0)
        return NRE_OK;
    if (v->valid.seen == 0)
        return fail(NRE_ENUMERIC, "no attempt was valid: there is nothing to fit");
    validity_model *m = model_new(v->prior, which ? k : v->prior->n, which);
    if (!m)
        return fail(NRE_ENOMEM, "no memory for the fit of P(valid | theta)");
    int status = fit_model(v, m);
    if (status != NRE_OK)
        validity_model_free(m);
    else
        *out = m;
    return status;
}

/* use */

static void log_valid_row(const validity_model *m, const double *theta, double *z,
                          double *log_p, double *gradient)
{
    double *derivative = z + m->k, *slope = z + 2 * m->k;
    for (size_t k = 0; k < m->k; k++)
        z[k] = marginal_standardise(&m->prior->of[m->which[k]], theta[k], &derivative[k]);
    double eta = linear_predictor(m, z, slope);
    *log_p = -softplus(-eta);
    for (size_t k = 0; gradient && k < m->k; k++)
        gradient[k] = slope[k] * derivative[k] / (1 + exp(eta));
}

void validity_log(const validity_model *m, size_t n, const double *theta, double *log_p,
                  double *gradient)
{
    double z[3 * THETA_MOST];
    for (size_t i = 0; i < n; i++)
        if (m)
            log_valid_row(m, theta + i * m->k, z, &log_p[i],
                          gradient ? gradient + i * m->k : NULL);
        else
            log_p[i] = 0;
}
