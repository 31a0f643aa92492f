/* Learning rates at points where they are known. */
#include "train/train.h"

#include <criterion/criterion.h>
#include <math.h>

static double at(const schedule *s, uint64_t step)
{
    schedule_state state;
    schedule_start(&state);
    return schedule_lr(s, &state, step);
}

Test(schedule, constant)
{
    schedule s = {.name = TRAIN_CONSTANT, .lr = 0.25, .steps = 100, .warmup = 4};
    cr_assert_eq(at(&s, 0), 0.0625);
    cr_assert_eq(at(&s, 1), 0.125);
    cr_assert_eq(at(&s, 3), 0.25);
    cr_assert_eq(at(&s, 4), 0.25);
    cr_assert_eq(at(&s, 100), 0.25);
}

Test(schedule, cosine)
{
    schedule s = {.name = TRAIN_COSINE, .lr = 1, .min_lr = 0.25, .steps = 120};
    cr_assert_eq(at(&s, 0), 1);
    cr_assert_float_eq(at(&s, 40), 0.25 + 0.75 * 0.75, 1e-15); /* cos 60 degrees = 1/2 */
    cr_assert_float_eq(at(&s, 60), 0.625, 1e-15);
    cr_assert_float_eq(at(&s, 80), 0.25 + 0.75 * 0.25, 1e-15);
    cr_assert_float_eq(at(&s, 120), 0.25, 1e-15);
    cr_assert_float_eq(at(&s, 1000), 0.25, 1e-15);
}

Test(schedule, cosine_after_warm_up)
{
    schedule s = {.name = TRAIN_COSINE, .lr = 1, .steps = 120, .warmup = 20};
    cr_assert_float_eq(at(&s, 0), 0.05, 1e-15);
    cr_assert_float_eq(at(&s, 18), 0.95, 1e-15);
    cr_assert_eq(at(&s, 19), 1);
    cr_assert_eq(at(&s, 20), 1);
    cr_assert_float_eq(at(&s, 70), 0.5, 1e-15);
    cr_assert_float_eq(at(&s, 120), 0, 1e-15);
}

Test(schedule, warm_up_longer_than_training)
{
    schedule s = {.name = TRAIN_COSINE, .lr = 1, .steps = 10, .warmup = 20};
    cr_assert_float_eq(at(&s, 9), 0.5, 1e-15);
    cr_assert_float_eq(at(&s, 20), 0, 1e-15);
}

Test(schedule, one_cycle)
{
    schedule s = {.name = TRAIN_ONE_CYCLE, .lr = 1, .min_lr = 0.001, .steps = 200};
    cr_assert_float_eq(at(&s, 0), 0.1, 1e-15);
    cr_assert_float_eq(at(&s, 45), 0.55, 1e-14);
    cr_assert_float_eq(at(&s, 90), 1, 1e-14);
    cr_assert_float_eq(at(&s, 135), 0.55, 1e-14);
    cr_assert_float_eq(at(&s, 180), 0.1, 1e-14);
    cr_assert_float_eq(at(&s, 190), (0.1 + 0.001) / 2, 1e-14);
    cr_assert_float_eq(at(&s, 200), 0.001, 1e-14);
    for (uint64_t i = 0; i < 90; i++)
        cr_assert_lt(at(&s, i), at(&s, i + 1));
    for (uint64_t i = 90; i < 200; i++)
        cr_assert_gt(at(&s, i), at(&s, i + 1));
}

Test(schedule, plateau_falls_after_patience)
{
    schedule s = {.name = TRAIN_PLATEAU,
                  .lr = 1,
                  .min_lr = 0.2,
                  .steps = 100,
                  .factor = 0.5,
                  .patience = 2};
    schedule_state state;
    const double losses[] = {3, 2, 2, 2, 2.5, 1.9, 2, 2, 2, 2, 2, 2};
    const double lr[] = {1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2};
    schedule_start(&state);
    cr_assert_eq(schedule_lr(&s, &state, 0), 1);
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        schedule_epoch(&s, &state, losses[i]);
        cr_assert_float_eq(schedule_lr(&s, &state, i + 1), lr[i], 1e-15,
                           "after epoch %zu", i + 1);
    }
}

Test(schedule, validation_loss_moves_no_other)
{
    schedule s = {
        .name = TRAIN_CONSTANT, .lr = 1, .steps = 100, .factor = 0.5, .patience = 1};
    schedule_state state;
    schedule_start(&state);
    for (int i = 0; i < 5; i++)
        schedule_epoch(&s, &state, 1);
    cr_assert_eq(schedule_lr(&s, &state, 5), 1);
}
