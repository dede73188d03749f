-- What each customer had done by the spine's night, put together from the families' models. A trend is the last 90
-- days less the 90 before them, and absent where the data does not reach back that far. What counts an export's
-- events is absent before the first of them, and 0 after it where the customer has none.
-- The joins are nested to the right so that an engine holds each narrow family and streams the wide rows past it.
with joined as (
    select
        spine.customer_id,
        spine.night,
        cast(spine.night - customers.first_seen_on as integer) as tenure_days,
        cast(spine.night - greatest(customers.first_seen_on, began.orders_on) as integer) as observed_days,
        cast(spine.night - began.orders_on as integer) as data_days,
        case
            when customers.registered_on <= spine.night then customers.first_seen_on < began.orders_on
            else customers.first_seen_on < began.orders_on + 31
        end as is_truncated,
        case when customers.registered_on <= spine.night then customers.acquisition_channel end as acquisition_channel,
        case when customers.first_order_on <= spine.night then customers.first_order_on end as first_order_on,
        began.sessions_on <= spine.night as has_sessions,
        began.converted_carts_on <= spine.night as has_carts,
        began.opened_emails_on <= spine.night as has_emails,
        began.refunds_on <= spine.night as has_refunds
    from features.customer_spine as spine
    inner join core.int_customer_firsts as customers
        on customers.customer_id = spine.customer_id
    left join core.int_first_days as began
        on began.orders_on <= spine.night
)

select
    joined.customer_id,
    joined.night,
    joined.tenure_days,
    joined.observed_days,
    joined.is_truncated,
    joined.acquisition_channel,
    -- orders
    cast(joined.night - buying.last_order_on as integer) as days_since_last_order,
    cast(joined.night - joined.first_order_on as integer) as days_since_first_order,
    coalesce(buying.orders_30d, 0) as orders_30d,
    coalesce(buying.orders_90d, 0) as orders_90d,
    coalesce(buying.orders_365d, 0) as orders_365d,
    coalesce(buying.orders, 0) as orders,
    case
        when joined.data_days >= 180 then coalesce(buying.orders_90d, 0) - coalesce(buying.orders_before_90d, 0)
    end as orders_trend,
    -- value
    cast(coalesce(buying.spend_30d, 0) as decimal(18, 4)) as spend_30d,
    cast(coalesce(buying.spend_90d, 0) as decimal(18, 4)) as spend_90d,
    cast(coalesce(buying.spend_365d, 0) as decimal(18, 4)) as spend_365d,
    cast(coalesce(buying.spend, 0) as decimal(18, 4)) as spend,
    cast(case
        when joined.data_days >= 180 then coalesce(buying.spend_90d, 0) - coalesce(buying.spend_before_90d, 0)
    end as decimal(18, 4)) as spend_trend,
    cast(buying.spend_30d as double) / nullif(cast(buying.orders_30d as double), 0) as average_order_value_30d,
    cast(buying.spend_90d as double) / nullif(cast(buying.orders_90d as double), 0) as average_order_value_90d,
    cast(buying.spend_365d as double) / nullif(cast(buying.orders_365d as double), 0) as average_order_value_365d,
    cast(buying.spend as double) / nullif(cast(buying.orders as double), 0) as average_order_value,
    cast(buying.spend_90d as double) / nullif(cast(buying.orders_90d as double), 0)
    - cast(buying.spend_before_90d as double) / nullif(cast(buying.orders_before_90d as double), 0)
        as average_order_value_trend,
    buying.last_order_amount,
    cast(buying.units as double) / nullif(cast(buying.orders as double), 0) as units_per_order,
    -- gaps between days with an order
    coalesce(buying.gaps, 0) as gaps,
    cast(buying.gap_days as double) / nullif(cast(buying.gaps as double), 0) as mean_gap_days,
    case
        when buying.gaps > 0
            then sqrt(greatest(
                cast(buying.squared_gap_days as double) / nullif(cast(buying.gaps as double), 0)
                - cast(buying.gap_days as double) / nullif(cast(buying.gaps as double), 0)
                * cast(buying.gap_days as double) / nullif(cast(buying.gaps as double), 0),
                0
            ))
    end as gap_deviation_days,
    buying.last_gap_days,
    buying.longest_gap_days,
    cast(joined.night - buying.last_order_on as double) * cast(buying.gaps as double)
    / nullif(cast(buying.gap_days as double), 0) as silence_to_mean_gap,
    cast(joined.night - buying.last_order_on as double)
    / nullif(cast(buying.longest_gap_days as double), 0) as silence_to_longest_gap,
    -- products
    coalesce(products.products_30d, 0) as products_30d,
    coalesce(products.products_90d, 0) as products_90d,
    coalesce(products.products_365d, 0) as products_365d,
    coalesce(products.products, 0) as products,
    case
        when joined.data_days >= 180
            then coalesce(products.products_90d, 0) - coalesce(products.products_before_90d, 0)
    end as products_trend,
    categories.categories_90d,
    categories.categories_365d,
    categories.categories,
    substr(categories.favourite, 8) as favourite_category,
    -- returns and discounts
    cast(case when joined.has_refunds then coalesce(refunds.refunds_90d, 0) end as decimal(18, 2)) as refunds_90d,
    cast(case when joined.has_refunds then coalesce(refunds.refunds_365d, 0) end as decimal(18, 2)) as refunds_365d,
    case when joined.has_refunds then coalesce(refunds.returned_units_365d, 0) end as returned_units_365d,
    case
        when joined.has_refunds
            then coalesce(cast(refunds.refunds as double), 0) / nullif(cast(buying.spend as double), 0)
    end as refund_share,
    cast(buying.discount_90d as double)
    / nullif(cast(buying.discount_90d as double) + cast(buying.spend_90d as double), 0) as discount_share_90d,
    cast(buying.discount_365d as double)
    / nullif(cast(buying.discount_365d as double) + cast(buying.spend_365d as double), 0) as discount_share_365d,
    cast(buying.coupon_orders_365d as double) / nullif(cast(buying.orders_365d as double), 0) as coupon_share_365d,
    -- habits
    buying.last_channel,
    buying.last_sales_type,
    cast(buying.app_orders as double) / nullif(cast(buying.orders as double), 0) as app_order_share,
    cast(buying.online_orders as double) / nullif(cast(buying.orders as double), 0) as online_order_share,
    cast(buying.hours as double) / nullif(cast(buying.orders as double), 0) as mean_order_hour,
    cast(buying.morning_orders as double) / nullif(cast(buying.orders as double), 0) as morning_order_share,
    cast(buying.evening_orders as double) / nullif(cast(buying.orders as double), 0) as evening_order_share,
    cast(buying.weekend_orders as double) / nullif(cast(buying.orders as double), 0) as weekend_order_share,
    -- visits
    cast(joined.night - visits.last_session_on as integer) as days_since_last_session,
    case when joined.has_sessions then coalesce(visits.sessions_30d, 0) end as sessions_30d,
    case when joined.has_sessions then coalesce(visits.sessions_90d, 0) end as sessions_90d,
    case when joined.has_sessions then coalesce(visits.sessions_365d, 0) end as sessions_365d,
    case
        when joined.has_sessions and joined.data_days >= 180
            then coalesce(visits.sessions_90d, 0) - coalesce(visits.sessions_before_90d, 0)
    end as sessions_trend,
    case
        when joined.has_sessions and buying.last_order_on is not null then coalesce(visits.sessions_since_order, 0)
    end as sessions_since_order,
    cast(visits.page_views_90d as double)
    / nullif(cast(visits.counted_sessions_90d as double), 0) as pages_per_session_90d,
    cast(visits.app_sessions_365d as double)
    / nullif(cast(visits.sessions_365d as double), 0) as app_session_share_365d,
    -- carts
    case when joined.has_carts then coalesce(visits.carts_30d, 0) end as carts_30d,
    case when joined.has_carts then coalesce(visits.carts_90d, 0) end as carts_90d,
    case when joined.has_carts then coalesce(visits.carts_365d, 0) end as carts_365d,
    case
        when joined.has_carts and buying.last_order_on is not null then coalesce(visits.carts_since_order, 0)
    end as carts_since_order,
    case
        when joined.has_carts
            then cast(greatest(visits.carts_30d - visits.converted_30d, 0) as double)
                / nullif(cast(visits.carts_30d as double), 0)
    end as cart_abandonment_rate_30d,
    case
        when joined.has_carts
            then cast(greatest(visits.carts_90d - visits.converted_90d, 0) as double)
                / nullif(cast(visits.carts_90d as double), 0)
    end as cart_abandonment_rate_90d,
    case
        when joined.has_carts
            then cast(greatest(visits.carts_365d - visits.converted_365d, 0) as double)
                / nullif(cast(visits.carts_365d as double), 0)
    end as cart_abandonment_rate_365d,
    case
        when joined.has_carts and joined.data_days >= 180
            then cast(greatest(visits.carts_90d - visits.converted_90d, 0) as double)
                / nullif(cast(visits.carts_90d as double), 0)
                - cast(greatest(visits.carts_before_90d - visits.converted_before_90d, 0) as double)
                / nullif(cast(visits.carts_before_90d as double), 0)
    end as cart_abandonment_trend,
    -- e-mails
    cast(joined.night - emails.last_opened_on as integer) as days_since_last_open,
    case when joined.has_emails then coalesce(emails.sent_30d, 0) end as emails_30d,
    case when joined.has_emails then coalesce(emails.sent_90d, 0) end as emails_90d,
    case when joined.has_emails then coalesce(emails.sent_365d, 0) end as emails_365d,
    cast(emails.opened_30d as double) / nullif(cast(emails.sent_30d as double), 0) as email_open_rate_30d,
    cast(emails.opened_90d as double) / nullif(cast(emails.sent_90d as double), 0) as email_open_rate_90d,
    cast(emails.opened_365d as double) / nullif(cast(emails.sent_365d as double), 0) as email_open_rate_365d,
    case
        when joined.data_days >= 180
            then cast(emails.opened_90d as double) / nullif(cast(emails.sent_90d as double), 0)
                - cast(emails.opened_before_90d as double) / nullif(cast(emails.sent_before_90d as double), 0)
    end as email_open_trend,
    cast(emails.opened_since_order as double)
    / nullif(cast(emails.sent_since_order as double), 0) as email_open_rate_since_order,
    cast(emails.clicked_90d as double) / nullif(cast(emails.sent_90d as double), 0) as email_click_rate_90d,
    cast(emails.clicked_365d as double) / nullif(cast(emails.sent_365d as double), 0) as email_click_rate_365d,
    emails.refused_365d > 0 as has_refused_emails,
    -- no export has tickets yet
    cast(null as integer) as tickets_30d,
    cast(null as integer) as tickets_90d,
    cast(null as integer) as tickets_365d,
    cast(null as integer) as tickets_trend
from
    features.customer_reading as emails
    right join (
        features.customer_visiting as visits
        right join (
            features.customer_returning as refunds
            right join (
                features.customer_categories as categories
                right join (
                    features.customer_products as products
                    right join (
                        features.customer_buying as buying
                        right join joined
                            on buying.customer_id = joined.customer_id
                            and buying.night = joined.night
                    )
                        on products.customer_id = joined.customer_id
                        and products.night = joined.night
                )
                    on categories.customer_id = joined.customer_id
                    and categories.night = joined.night
            )
                on refunds.customer_id = joined.customer_id
                and refunds.night = joined.night
        )
            on visits.customer_id = joined.customer_id
            and visits.night = joined.night
    )
        on emails.customer_id = joined.customer_id
        and emails.night = joined.night
