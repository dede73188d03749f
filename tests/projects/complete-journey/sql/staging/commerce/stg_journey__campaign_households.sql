select
    campaign_id,
    household_id
from bronze.campaigns
