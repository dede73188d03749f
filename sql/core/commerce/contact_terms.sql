-- What acting on a risk costs and brings. These are assumptions of the business, not measurements: a project that
-- knows better has a core/commerce/contact_terms.sql of its own. The margin is that of the last year's lines of known
-- cost; where no cost is known it is assumed.
with margins as (
    select
        sum(gross_revenue) as revenue,
        sum(cost_amount) as cost
    from core.fct_order_items
    where is_sale and cost_amount is not null
        and ordered_on <= $night and ordered_on > $night - 365
)

select
    cast(1 as integer) as id,
    case
        when revenue > 0
            then greatest(cast(revenue - cost as double) / nullif(cast(revenue as double), 0), 0)
        else cast('0.3' as double)
    end as margin_share,
    cast('2.00' as decimal(18, 2)) as contact_cost,
    cast('0.10' as double) as saved_share,
    cast(500 as integer) as capacity
from margins
