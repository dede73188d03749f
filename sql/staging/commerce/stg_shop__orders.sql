-- The newest delivery of an order wins as a whole: its status is the last one exported.
-- The place rises by night, then by delivery, for an old night may be corrected late, then by record; a group and a
-- join keep whole rows out of a sort.
with newest as (
    select
        order_id,
        max(
            cast(cast(_night - date '2000-01-01' as bigint) * 10000000 + _delivery as decimal(18, 0)) * 1000000000000
            + _record
        ) as place
    from bronze.orders
    where _night >= $window_start and _night < $window_end
    group by order_id
)

select
    orders.order_id,
    orders.customer_id,
    orders.ordered_at,
    lower(trim(orders.status)) as status,
    lower(trim(orders.channel)) as channel,
    lower(trim(orders.sales_type)) as sales_type,
    lower(trim(orders.utm_source)) as utm_source,
    orders.utm_campaign,
    orders.coupon_code,
    upper(trim(orders.country)) as country,
    orders.discount_amount,
    orders.shipping_amount,
    orders.tax_amount,
    orders.total_amount,
    cast(date_trunc('month', orders.ordered_at) as date) as ordered_month,
    orders._night as delivered_on,
    orders._delivery * 1000000000000 + orders._record as version
from newest
inner join bronze.orders as orders
    on orders.order_id = newest.order_id
    and newest.place
    = cast(cast(orders._night - date '2000-01-01' as bigint) * 10000000 + orders._delivery as decimal(18, 0))
    * 1000000000000 + orders._record
where orders._night >= $window_start and orders._night < $window_end
