select
    campaign_id,
    campaign_type,
    start_date as started_on,
    end_date as ended_on
from bronze.campaign_descriptions
