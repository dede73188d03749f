-- What customers who began alike did in a month: the marts by cohort read these rows instead of every customer's.
-- Who never bought is counted in the month of registration, with nothing done.
with movements as (
    select
        customer_id,
        month,
        1 as active_customers,
        orders,
        gross_revenue,
        cast(0 as decimal(18, 2)) as refunds
    from core.int_customer_months
    union all
    select
        customer_id,
        cast(date_trunc('month', refunded_on) as date) as month,
        0 as active_customers,
        0 as orders,
        cast(0 as decimal(18, 4)) as gross_revenue,
        refunded_revenue as refunds
    from core.fct_refunds
    where refunded_revenue <> 0
),

cells as (
    select
        cohorts.purchase_cohort_month,
        cohorts.registration_cohort_month,
        cohorts.acquisition_channel,
        cohorts.sales_channel,
        cohorts.first_category,
        movements.month,
        0 as customers,
        sum(movements.active_customers) as active_customers,
        sum(movements.orders) as orders,
        sum(movements.gross_revenue) as gross_revenue,
        sum(movements.refunds) as refunds
    from core.int_customer_cohorts as cohorts
    inner join movements
        on movements.customer_id = cohorts.customer_id
    group by
        cohorts.purchase_cohort_month, cohorts.registration_cohort_month, cohorts.acquisition_channel,
        cohorts.sales_channel, cohorts.first_category, movements.month
    union all
    select
        purchase_cohort_month,
        registration_cohort_month,
        acquisition_channel,
        sales_channel,
        first_category,
        registration_cohort_month as month,
        count(*) as customers,
        0, 0, 0, 0
    from core.int_customer_cohorts
    group by
        purchase_cohort_month, registration_cohort_month, acquisition_channel, sales_channel, first_category
)

select
    purchase_cohort_month,
    registration_cohort_month,
    acquisition_channel,
    sales_channel,
    first_category,
    month,
    cast(sum(customers) as bigint) as customers,
    cast(sum(active_customers) as bigint) as active_customers,
    cast(sum(orders) as bigint) as orders,
    cast(sum(gross_revenue) as decimal(18, 4)) as gross_revenue,
    cast(sum(refunds) as decimal(18, 2)) as refunds
from cells
group by
    purchase_cohort_month, registration_cohort_month, acquisition_channel, sales_channel, first_category, month
