-- The demographics are ranges; none is a canonical column but the id.
select
    customer_id,
    cast(null as varchar) as email,
    cast(null as varchar) as phone,
    cast(null as varchar) as first_name,
    cast(null as varchar) as last_name,
    cast(null as timestamp) as registered_at,
    cast(null as date) as birth_date,
    cast(null as varchar) as gender,
    'US' as country,
    cast(null as varchar) as city,
    cast(null as varchar) as postal_code,
    cast(null as varchar) as acquisition_channel,
    cast(null as varchar) as language,
    cast(null as boolean) as consent_email,
    cast(null as boolean) as consent_sms,
    cast(null as timestamp) as updated_at
from bronze.customers
