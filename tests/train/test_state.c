/* What training carries from epoch to epoch. */
#include "problem.h"

#include <criterion/criterion.h>
#include <math.h>

Test(state, starts_empty)
{
    problem p;
    train_state s;
    problem_open(&p, 10, 10, 1);
    cr_assert_eq(state_new(p.net, 5, false, &s), 0);
    cr_assert_eq(s.epoch, 0);
    cr_assert_eq(s.best_loss, INFINITY);
    cr_assert_eq(s.plateau.scale, 1);
    for (size_t i = 0; i < s.n_weights; i++)
        cr_assert(s.weights[i] == 0 && s.m[i] == 0 && s.v[i] == 0);
    state_free(&s);
    problem_close(&p);
}

Test(state, rewinds_to_the_end_of_the_last_epoch)
{
    problem p;
    train_state s;
    problem_open(&p, 10, 10, 1);
    cr_assert_eq(state_new(p.net, 5, false, &s), 0);
    for (size_t i = 0; i < s.n_weights; i++) {
        s.weights[i] = (float)i;
        s.m[i] = (float)i + 0.25f;
        s.v[i] = (float)i + 0.5f;
    }
    s.epoch = 3;
    s.step = 30;
    state_keep(&s);
    for (size_t i = 0; i < s.n_weights; i++)
        s.weights[i] = s.m[i] = s.v[i] = -1;
    s.step = 37;
    state_rewind(&s, 10);
    cr_assert_eq(s.step, 30);
    for (size_t i = 0; i < s.n_weights; i++) {
        cr_assert_eq(s.weights[i], (float)i);
        cr_assert_eq(s.m[i], (float)i + 0.25f);
        cr_assert_eq(s.v[i], (float)i + 0.5f);
    }
    state_free(&s);
    problem_close(&p);
}
