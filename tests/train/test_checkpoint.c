/* Checkpoints: read back to the bit, refused when they are damaged or of another
 * training. */
#include "problem.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static FILE *logged;

static void open_log(void)
{
    logged = tmpfile();
    log_file(logged);
}

static bool was_logged(const char *words)
{
    char text[4096] = "";
    fflush(logged);
    rewind(logged);
    text[fread(text, 1, sizeof text - 1, logged)] = 0;
    return strstr(text, words) != NULL;
}

static void some_state(const problem *p, train_state *s)
{
    cr_assert_eq(state_new(p->net, 5, false, s), 0);
    for (size_t i = 0; i < s->n_weights; i++) {
        s->weights[i] = sinf((float)i);
        s->m[i] = cosf((float)i);
        s->v[i] = (float)i / 7;
        s->best_weights[i] = (float)i / 3;
    }
    s->epoch = 2;
    s->step = 14;
    s->best_epoch = 1;
    s->best_loss = 1.25;
    s->clamped = 3;
    s->plateau = (schedule_state){.best = 1.25, .scale = 0.5, .stale = 1};
    s->history[0] = (epoch_record){1.5, 1.25, 1e-3};
    s->history[1] = (epoch_record){1.375, 1.3, 5e-4};
}

Test(checkpoint, comes_back_to_the_bit)
{
    problem p;
    train_state s, t;
    bool found;
    problem_open(&p, 10, 10, 1);
    some_state(&p, &s);
    cr_assert_eq(checkpoint_save(&p.job, &s), 0, "%s", error_message());
    cr_assert_eq(state_new(p.net, 5, false, &t), 0);
    cr_assert_eq(checkpoint_load(&p.job, &t, &found), 0, "%s", error_message());
    cr_assert(found);
    size_t n = s.n_weights * sizeof(float);
    cr_assert_arr_eq(t.weights, s.weights, n);
    cr_assert_arr_eq(t.m, s.m, n);
    cr_assert_arr_eq(t.v, s.v, n);
    cr_assert_arr_eq(t.best_weights, s.best_weights, n);
    cr_assert_arr_eq(t.history, s.history, 2 * sizeof *s.history);
    cr_assert(t.epoch == 2 && t.step == 14 && t.best_epoch == 1 && t.clamped == 3);
    cr_assert_eq(t.best_loss, 1.25);
    cr_assert(t.plateau.best == 1.25 && t.plateau.scale == 0.5 && t.plateau.stale == 1);
    state_free(&s);
    state_free(&t);
    problem_close(&p);
}

Test(checkpoint, none_is_no_failure)
{
    problem p;
    train_state s;
    bool found = true;
    problem_open(&p, 10, 10, 1);
    cr_assert_eq(state_new(p.net, 5, false, &s), 0);
    cr_assert_eq(checkpoint_load(&p.job, &s, &found), 0);
    cr_assert(!found);
    state_free(&s);
    problem_close(&p);
}

static void expect_afresh(problem *p, const char *words)
{
    train_state s;
    bool found = true;
    open_log();
    cr_assert_eq(state_new(p->net, 5, false, &s), 0);
    cr_assert_eq(checkpoint_load(&p->job, &s, &found), 0, "%s", error_message());
    cr_assert(!found);
    cr_assert(was_logged(words), "expected '%s'", words);
    cr_assert_eq(s.epoch, 0);
    cr_assert_eq(s.weights[1], 0.0f);
    log_file(NULL);
    fclose(logged);
    state_free(&s);
}

Test(checkpoint, of_another_fingerprint_is_left_alone)
{
    problem p;
    train_state s;
    problem_open(&p, 10, 10, 1);
    some_state(&p, &s);
    cr_assert_eq(checkpoint_save(&p.job, &s), 0);
    p.job.fingerprint = "another";
    expect_afresh(&p, "another configuration");
    state_free(&s);
    problem_close(&p);
}

/* Cut at every part of the file, and with a byte flipped in each. */
Test(checkpoint, damaged_is_a_warning)
{
    problem p;
    train_state s;
    size_t n;
    char path[256];
    problem_open(&p, 10, 10, 1);
    some_state(&p, &s);
    cr_assert_eq(checkpoint_save(&p.job, &s), 0);
    char *text = problem_file(p.folder, "checkpoint.h5", &n);
    snprintf(path, sizeof path, "%s/checkpoint.h5", p.folder);
    for (size_t part = 0; part < 8; part++) {
        cr_assert_eq(file_write(path, text, n * part / 8), 0);
        expect_afresh(&p, "training starts again");
        size_t at = n * part / 8 + 5;
        text[at] ^= 0x10;
        cr_assert_eq(file_write(path, text, n), 0);
        expect_afresh(&p, "training starts again");
        text[at] ^= 0x10;
    }
    free(text);
    state_free(&s);
    problem_close(&p);
}

/* A sound file that claims more epochs than there is room for. */
Test(checkpoint, of_more_epochs_than_asked_is_refused)
{
    problem p;
    train_state s, t;
    bool found = true;
    problem_open(&p, 10, 10, 1);
    some_state(&p, &s);
    cr_assert_eq(checkpoint_save(&p.job, &s), 0);
    open_log();
    cr_assert_eq(state_new(p.net, 1, false, &t), 0);
    cr_assert_eq(checkpoint_load(&p.job, &t, &found), 0);
    cr_assert(!found);
    cr_assert(was_logged("epoch is 2"));
    log_file(NULL);
    fclose(logged);
    state_free(&s);
    state_free(&t);
    problem_close(&p);
}
