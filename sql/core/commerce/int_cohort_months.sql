-- What customers who began alike did in a month: the marts by cohort read these rows instead of every customer's.
-- Every customer moves once without a month, to be counted in the month of registration though they never bought.
with movements as (
    select
        customer_id,
        month,
        0 as customers,
        1 as active_customers,
        orders,
        gross_revenue,
        cast(0 as decimal(18, 2)) as refunds
    from core.int_customer_months
    union all
    select
        customer_id,
        cast(date_trunc('month', refunded_on) as date) as month,
        0 as customers,
        0 as active_customers,
        0 as orders,
        cast(0 as decimal(18, 4)) as gross_revenue,
        refunded_revenue as refunds
    from core.fct_refunds
    where refunded_revenue <> 0
    union all
    select
        customer_id,
        cast(null as date) as month,
        1 as customers,
        0 as active_customers,
        0 as orders,
        cast(0 as decimal(18, 4)) as gross_revenue,
        cast(0 as decimal(18, 2)) as refunds
    from core.dim_customer
)

select
    cohorts.purchase_cohort_month,
    cohorts.registration_cohort_month,
    cohorts.acquisition_channel,
    cohorts.sales_channel,
    cohorts.first_category,
    coalesce(movements.month, cohorts.registration_cohort_month) as month,
    cast(sum(movements.customers) as bigint) as customers,
    cast(sum(movements.active_customers) as bigint) as active_customers,
    cast(sum(movements.orders) as bigint) as orders,
    cast(sum(movements.gross_revenue) as decimal(18, 4)) as gross_revenue,
    cast(sum(movements.refunds) as decimal(18, 2)) as refunds
from core.int_customer_cohorts as cohorts
inner join movements
    on movements.customer_id = cohorts.customer_id
group by
    cohorts.purchase_cohort_month, cohorts.registration_cohort_month, cohorts.acquisition_channel,
    cohorts.sales_channel, cohorts.first_category, coalesce(movements.month, cohorts.registration_cohort_month)
