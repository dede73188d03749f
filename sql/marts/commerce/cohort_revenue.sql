-- What a guest bought before registering is theirs from the month they registered, so that the revenue
-- of all cohorts is the revenue of all customers.
with facts as (
    select
        registration_cohort_month as cohort_month,
        acquisition_channel,
        sales_channel,
        first_category,
        greatest(month, registration_cohort_month) as month,
        customers,
        orders,
        gross_revenue,
        refunds
    from core.int_cohort_months
),

split_facts as (
    select
        facts.cohort_month,
        splits.split,
        case splits.split
            when 'acquisition_channel' then facts.acquisition_channel
            when 'sales_channel' then facts.sales_channel
            when 'first_category' then facts.first_category
            else 'all'
        end as split_value,
        facts.month,
        sum(facts.customers) as customers,
        sum(facts.orders) as orders,
        sum(facts.gross_revenue) as gross_revenue,
        sum(facts.refunds) as refunds
    from facts
    cross join (
        values ('all'), ('acquisition_channel'), ('sales_channel'), ('first_category')
    ) as splits (split)
    group by facts.cohort_month, splits.split, split_value, facts.month
),

months as (
    select
        day as month,
        month_end <= $night as is_complete,
        year * 12 + month as month_number
    from core.dim_date
    where day = month_start and day <= $night
),

triangle as (
    select
        split_facts.cohort_month,
        split_facts.split,
        split_facts.split_value,
        months.month,
        months.is_complete,
        months.month_number,
        sum(split_facts.customers) as customers,
        sum(case when split_facts.month = months.month then split_facts.orders else 0 end) as orders,
        sum(case when split_facts.month = months.month then split_facts.gross_revenue else 0 end) as gross_revenue,
        sum(case when split_facts.month = months.month then split_facts.refunds else 0 end) as refunds,
        sum(case when split_facts.month <= months.month then split_facts.gross_revenue else 0 end) as cumulative_gross_revenue,
        sum(case when split_facts.month <= months.month then split_facts.refunds else 0 end) as cumulative_refunds
    from split_facts
    inner join months
        on months.month >= split_facts.cohort_month
    group by
        split_facts.cohort_month, split_facts.split, split_facts.split_value,
        months.month, months.is_complete, months.month_number
),

exports as (
    select count(*) > 0 as has_refunds
    from core.fct_refunds
)

select
    cohort_month,
    split,
    split_value,
    cast(
        month_number - (extract(year from cohort_month) * 12 + extract(month from cohort_month)) as integer
    ) as months_since,
    month,
    is_complete,
    cast(customers as bigint) as customers,
    cast(orders as bigint) as orders,
    cast(gross_revenue as decimal(18, 4)) as gross_revenue,
    cast(case when has_refunds then refunds end as decimal(18, 2)) as refunds,
    cast(case when has_refunds then gross_revenue - refunds end as decimal(18, 4)) as net_revenue,
    cast(cumulative_gross_revenue as decimal(18, 4)) as cumulative_gross_revenue,
    cast(
        case when has_refunds then cumulative_gross_revenue - cumulative_refunds end as decimal(18, 4)
    ) as cumulative_net_revenue,
    cast(cumulative_gross_revenue as double) / nullif(cast(customers as double), 0) as gross_lifetime_value,
    case when has_refunds then
        cast(cumulative_gross_revenue - cumulative_refunds as double) / nullif(cast(customers as double), 0)
    end as net_lifetime_value
from triangle
cross join exports
