/* The list of losses. */
#include "../sanitized.h"
#include "problem.h"

#include <criterion/criterion.h>
#include <math.h>

Test(loss, is_found_by_name)
{
    cr_assert_eq(loss_find("nre_a"), &loss_nre_a);
    cr_assert_null(loss_find("nre_z"));
    cr_assert_null(loss_find(""));
}

Test(loss, list_agrees_with_find_and_describes_itself)
{
    size_t n;
    const loss *const *all = loss_list(&n);
    cr_assert_gt(n, 0);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(loss_find(all[i]->name), all[i]);
        cr_assert_not_null(all[i]->summary);
        cr_assert_not_null(all[i]->reference);
    }
}

/* Each against its own exact optimum, in shares of what there is to learn.  A heavy penalty makes
 * learning slow, so it is light here. */
static void expect_learning(const loss *l)
{
    problem p;
    double exact, floor;
    train_result r;
    problem_open(&p, 8192, 4096, 2);
    p.settings.loss = l;
    p.settings.loss_options = (loss_options){.marginals = 3, .gamma = 2, .lambda = 1};
    p.settings.epochs = SANITIZED ? 1 : 12;
    p.settings.batch_size = 128;
    cr_assert_eq(validation_loss_of(&p.job, problem_log_ratio, NULL, &exact), 0);
    cr_assert_eq(validation_loss_of(&p.job, problem_no_ratio, NULL, &floor), 0);
    cr_assert_eq(train_run(&p.job, &r), 0, "%s", error_message());
    double share = (r.best_loss - exact) / (floor - exact);
    cr_assert(SANITIZED || (share > 0 && share < 0.04),
              "%s: excess %g of what r = 1 lacks", l->name, share);
    problem_close(&p);
}

Test(loss, each_is_learned)
{
    size_t n;
    const loss *const *all = loss_list(&n);
    for (size_t i = 0; i < n; i++)
        expect_learning(all[i]);
}
