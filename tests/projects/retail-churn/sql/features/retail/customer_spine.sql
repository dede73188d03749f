-- Customers who bought within the year before the night.
select
    customer_id,
    cast($night as date) as night
from staging.stg_retail__purchases
where day <= $night and day > $night - interval '365' day
group by customer_id
