-- An order is an invoice with at least one sale. Its time is its first line's: 43 were printed over two minutes.
select
    invoice_no as order_id,
    max(customer_id) as customer_id,
    min(invoiced_at) as ordered_at,
    'paid' as status,
    cast(null as varchar) as channel,
    cast(null as varchar) as sales_type,
    cast(null as varchar) as utm_source,
    cast(null as varchar) as utm_campaign,
    cast(null as varchar) as coupon_code,
    max(country_code) as country,
    cast(null as decimal(18, 2)) as discount_amount,
    cast(null as decimal(18, 2)) as shipping_amount,
    cast(null as decimal(18, 2)) as tax_amount,
    cast(sum(quantity * unit_price) as decimal(18, 2)) as total_amount,
    cast(date_trunc('month', min(invoiced_at)) as date) as ordered_month,
    max(delivered_on) as delivered_on,
    cast(null as bigint) as version
from staging.stg_retail__lines
where kind = 'sale'
group by invoice_no
