-- Every day from the first order to the night has a row. What an export has not begun to tell is absent;
-- once it has begun, a day without rows is a zero.
with newcomers as (
    select
        first_order_on as day,
        count(*) as new_customers
    from core.int_customer_first_purchases
    group by first_order_on
),

refunded as (
    select refunded_on as day, sum(refunded_revenue) as refunds
    from core.fct_refunds
    group by refunded_on
),

messages as (
    select day, sum(sent) as emails_sent, sum(opened) as emails_opened, sum(clicked) as emails_clicked
    from marts.email_engagement
    where medium = 'email'
    group by day
),

bounds as (
    select
        min(day) as first_day,
        (select count(*) from core.fct_refunds) > 0 as has_refunds
    from core.int_days
    where orders + cancelled_orders > 0
),

days as (
    select
        dates.day,
        dates.month_start,
        coalesce(facts.orders, 0) as orders,
        coalesce(facts.site_orders, 0) as site_orders,
        case when sum(facts.orders_with_status) over () > 0 then coalesce(facts.pending_orders, 0) end as orders_pending,
        case when sum(facts.orders_with_status) over () > 0 then coalesce(facts.cancelled_orders, 0) end as cancelled_orders,
        coalesce(facts.customers, 0) as customers,
        coalesce(newcomers.new_customers, 0) as new_customers,
        coalesce(facts.gross_revenue, 0) as gross_revenue,
        case when bounds.has_refunds then coalesce(refunded.refunds, 0) end as refunds,
        case
            when dates.day >= min(case when facts.payments > 0 then facts.day end) over ()
                then coalesce(facts.cash_amount, 0)
        end as cash_amount,
        case
            when dates.day >= min(case when facts.sessions > 0 then facts.day end) over ()
                then coalesce(facts.sessions, 0)
        end as sessions,
        facts.bounces,
        facts.counted_sessions,
        carts.carts,
        carts.abandonment_rate,
        case when dates.day >= min(messages.day) over () then coalesce(messages.emails_sent, 0) end as emails_sent,
        messages.emails_opened,
        messages.emails_clicked,
        case when facts.counted_products > 0 then facts.products_out_of_stock end as products_out_of_stock
    from core.dim_date as dates
    cross join bounds
    left join core.int_days as facts on facts.day = dates.day
    left join newcomers on newcomers.day = dates.day
    left join refunded on refunded.day = dates.day
    left join marts.cart_abandonment as carts on carts.day = dates.day
    left join messages on messages.day = dates.day
    where dates.day >= bounds.first_day
),

compared as (
    select
        day,
        orders,
        site_orders,
        orders_pending,
        cancelled_orders,
        customers,
        new_customers,
        gross_revenue,
        refunds,
        cash_amount,
        sessions,
        bounces,
        counted_sessions,
        carts,
        abandonment_rate,
        emails_sent,
        emails_opened,
        emails_clicked,
        products_out_of_stock,
        case when day >= min(case when carts is not null then day end) over () then coalesce(carts, 0) end as carts_opened,
        lag(gross_revenue, 7) over (order by day nulls last) as previous_week_gross_revenue,
        lag(gross_revenue, 364) over (order by day nulls last) as previous_year_gross_revenue,
        sum(gross_revenue) over (order by day nulls last rows between 6 preceding and current row) as week_gross_revenue,
        count(*) over (order by day nulls last rows between 6 preceding and current row) as week_days,
        sum(gross_revenue) over (
            partition by month_start order by day nulls last rows between unbounded preceding and current row
        ) as month_to_date_gross_revenue
    from days
)

select
    day,
    cast(orders as bigint) as orders,
    cast(orders_pending as bigint) as orders_pending,
    cast(cancelled_orders as bigint) as cancelled_orders,
    cast(customers as bigint) as customers,
    cast(new_customers as bigint) as new_customers,
    cast(customers - new_customers as bigint) as returning_customers,
    cast(gross_revenue as decimal(18, 4)) as gross_revenue,
    cast(refunds as decimal(18, 2)) as refunds,
    cast(gross_revenue - refunds as decimal(18, 4)) as net_revenue,
    cast(gross_revenue as double) / nullif(cast(orders as double), 0) as average_order_value,
    cast(cash_amount as decimal(18, 2)) as cash_amount,
    cast(sessions as bigint) as sessions,
    cast(bounces as double) / nullif(cast(counted_sessions as double), 0) as bounce_rate,
    cast(site_orders as double) / nullif(cast(sessions as double), 0) as conversion_rate,
    cast(carts_opened as bigint) as carts,
    abandonment_rate as cart_abandonment_rate,
    cast(emails_sent as bigint) as emails_sent,
    cast(emails_opened as double) / nullif(cast(emails_sent as double), 0) as email_open_rate,
    cast(emails_clicked as double) / nullif(cast(emails_sent as double), 0) as email_click_rate,
    cast(products_out_of_stock as bigint) as products_out_of_stock,
    cast(previous_week_gross_revenue as decimal(18, 4)) as previous_week_gross_revenue,
    cast(gross_revenue - previous_week_gross_revenue as double)
        / nullif(cast(previous_week_gross_revenue as double), 0) as week_growth_rate,
    cast(gross_revenue - previous_year_gross_revenue as double)
        / nullif(cast(previous_year_gross_revenue as double), 0) as year_growth_rate,
    case when week_days = 7 then cast(week_gross_revenue as double) / 7 end as average_gross_revenue_last_7_days,
    cast(month_to_date_gross_revenue as decimal(18, 4)) as month_to_date_gross_revenue
from compared
