-- The only profile is the country of the last invoice.
with invoices as (
    select
        customer_id,
        country_code,
        row_number() over (
            partition by customer_id
            order by invoiced_at desc nulls last, record desc nulls last
        ) as recency
    from staging.stg_retail__lines
    where customer_id is not null
)

select
    customer_id,
    cast(null as varchar) as email,
    cast(null as varchar) as phone,
    cast(null as varchar) as first_name,
    cast(null as varchar) as last_name,
    cast(null as timestamp) as registered_at,
    cast(null as date) as birth_date,
    cast(null as varchar) as gender,
    country_code as country,
    cast(null as varchar) as city,
    cast(null as varchar) as postal_code,
    cast(null as varchar) as acquisition_channel,
    cast(null as varchar) as language,
    cast(null as boolean) as consent_email,
    cast(null as boolean) as consent_sms,
    cast(null as timestamp) as updated_at
from invoices
where recency = 1
