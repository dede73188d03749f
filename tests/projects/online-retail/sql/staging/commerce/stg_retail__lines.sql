-- What each invoice line is. Stock codes are typed in either case, so 85123a and 85123A are one product.
with lines as (
    select
        lines.invoice_no,
        cast(row_number() over (
            partition by lines.invoice_no order by lines._record nulls last
        ) as integer) as line_number,
        upper(trim(lines.stock_code)) as product_id,
        nullif(trim(lines.description), '') as description,
        lines.quantity,
        lines.invoiced_at,
        lines.unit_price,
        lines.customer_id,
        countries.country_code,
        lines._record,
        lines._night
    from bronze.online_retail as lines
    left join staging.stg_retail__countries as countries
        on countries.country = lines.country
)

select
    invoice_no,
    line_number,
    case
        when invoice_no like 'C%' then 'cancellation'
        when invoice_no like 'A%' then 'bad_debt'
        when quantity > 0 and unit_price > 0 then 'sale'
        else 'stock_correction'
    end as kind,
    product_id,
    description,
    quantity,
    invoiced_at,
    unit_price,
    customer_id,
    country_code,
    _record as record,
    _night as delivered_on
from lines
