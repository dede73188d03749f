-- Every month from the first sale to the night has a row, so that growth over a month without sales is
-- seen. Growth is absent while a month still runs: part of a month is not compared with a whole one.
with sales as (
    select
        ordered_month as month,
        count(*) as orders,
        sum(gross_revenue) as gross_revenue
    from core.fct_orders
    where is_sale
    group by ordered_month
),

buyers as (
    select
        month,
        count(*) as customers
    from core.int_customer_months
    group by month
),

refunded as (
    select
        cast(date_trunc('month', refunded_on) as date) as month,
        sum(refunded_revenue) as refunds
    from core.fct_refunds
    group by cast(date_trunc('month', refunded_on) as date)
),

bounds as (
    select min(ordered_month) as first_month
    from core.fct_orders
    where is_sale
),

exports as (
    select count(*) > 0 as has_refunds
    from core.fct_refunds
),

months as (
    select
        dates.month_start as month,
        dates.month_end <= $night as is_complete,
        coalesce(sales.orders, 0) as orders,
        coalesce(buyers.customers, 0) as customers,
        coalesce(sales.gross_revenue, 0) as gross_revenue,
        case when exports.has_refunds then coalesce(refunded.refunds, 0) end as refunds
    from core.dim_date as dates
    cross join bounds
    cross join exports
    left join sales on sales.month = dates.month_start
    left join buyers on buyers.month = dates.month_start
    left join refunded on refunded.month = dates.month_start
    where dates.day = dates.month_start
        and dates.day >= bounds.first_month
        and dates.day <= $night
),

compared as (
    select
        month,
        is_complete,
        orders,
        customers,
        gross_revenue,
        refunds,
        lag(gross_revenue) over (order by month nulls last) as previous_month_gross_revenue,
        lag(gross_revenue, 12) over (order by month nulls last) as previous_year_gross_revenue
    from months
)

select
    month,
    is_complete,
    cast(orders as bigint) as orders,
    cast(customers as bigint) as customers,
    cast(gross_revenue as decimal(18, 4)) as gross_revenue,
    cast(refunds as decimal(18, 2)) as refunds,
    cast(gross_revenue - refunds as decimal(18, 4)) as net_revenue,
    cast(gross_revenue as double) / nullif(cast(orders as double), 0) as average_order_value,
    cast(previous_month_gross_revenue as decimal(18, 4)) as previous_month_gross_revenue,
    cast(previous_year_gross_revenue as decimal(18, 4)) as previous_year_gross_revenue,
    case when is_complete then
        cast(gross_revenue - previous_month_gross_revenue as double)
        / nullif(cast(previous_month_gross_revenue as double), 0)
    end as month_growth_rate,
    case when is_complete then
        cast(gross_revenue - previous_year_gross_revenue as double)
        / nullif(cast(previous_year_gross_revenue as double), 0)
    end as year_growth_rate
from compared
