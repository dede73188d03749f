-- What customers bought, by customer and day: sales alone, cancellations and stock corrections left out.
select
    customer_id,
    cast(invoiced_at as date) as day,
    cast(count(distinct invoice_no) as bigint) as invoices,
    cast(count(distinct stock_code) as bigint) as products,
    cast(sum(quantity * unit_price) as decimal(18, 2)) as amount,
    min(country) as country
from bronze.online_retail
where customer_id is not null and invoice_no not like 'C%' and quantity > 0 and unit_price > 0
group by customer_id, cast(invoiced_at as date)
