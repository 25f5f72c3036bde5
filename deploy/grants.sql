-- Who may do what in the warehouse: to be run by an administrator of ClickHouse (`access_management = 1`) after
-- `yinliu migrate`, as a whole and again after each upgrade. The block of the corp `brand` and its region `east` is an
-- example: repeat it for each corp and region, with the names of the roles. Give users one of these roles:
-- `CREATE USER ann IDENTIFIED BY '…' DEFAULT ROLE yinliu_brand_east; GRANT yinliu_brand_east TO ann`.
--
-- Views run with the rights of who asks. So readers need the tables behind them, and row policies of tables hold through
-- every view: a rank is one among what is seen. The board, the pipeline and dbt have no policy and see all corps.

-- The pipeline: counts, refreshes, reconciles, forgets.
CREATE ROLE IF NOT EXISTS yinliu_pipeline;
GRANT SELECT, INSERT, ALTER DELETE ON yinliu.* TO yinliu_pipeline;
GRANT SYSTEM SYNC REPLICA ON yinliu.* TO yinliu_pipeline;

-- `yinliu migrate`.
CREATE ROLE IF NOT EXISTS yinliu_migration;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP VIEW, SELECT, INSERT ON yinliu.* TO yinliu_migration;

-- The board reads alone, a few questions a second.
CREATE ROLE IF NOT EXISTS yinliu_board;
GRANT SELECT ON yinliu.* TO yinliu_board;

-- Everything but what records said word by word.
CREATE ROLE IF NOT EXISTS yinliu_reader;
GRANT SELECT ON yinliu.* TO yinliu_reader;
REVOKE SELECT ON yinliu.dead_letters FROM yinliu_reader;
REVOKE SELECT ON yinliu.dead_letter_log FROM yinliu_reader;
REVOKE SELECT ON yinliu.refresh_queue FROM yinliu_reader;
REVOKE SELECT ON yinliu.customer_events_feed FROM yinliu_reader;

-- Analysts. Limits that they may change stay within bounds.
CREATE ROLE IF NOT EXISTS yinliu_analyst;
GRANT yinliu_reader TO yinliu_analyst;
CREATE SETTINGS PROFILE OR REPLACE yinliu_analyst SETTINGS
    readonly = 1,
    max_execution_time = 60 MAX 600 CHANGEABLE_IN_READONLY,
    max_memory_usage = 4000000000 MAX 8000000000 CHANGEABLE_IN_READONLY,
    max_threads = 2 MAX 4 CHANGEABLE_IN_READONLY
    TO yinliu_analyst;
CREATE QUOTA OR REPLACE yinliu_analyst KEYED BY user_name
    FOR INTERVAL 1 minute MAX queries = 120,
    FOR INTERVAL 1 hour MAX execution_time = 900
    TO yinliu_analyst;

-- dbt builds the models of deploy/dbt in a database of its own, of all corps.
CREATE ROLE IF NOT EXISTS yinliu_dbt;
GRANT yinliu_reader TO yinliu_dbt;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, ALTER, TRUNCATE, SELECT, INSERT ON dbt_yinliu.* TO yinliu_dbt;

-- Where a server shows users without a policy no rows (`users_without_row_policies_can_read_rows` = false), those who see all
-- need one that says so: a refresh that read nothing would write zeros. Everybody else then needs one of the roles below.
CREATE ROW POLICY OR REPLACE yinliu_all ON
    yinliu.facts, yinliu.counts_1m_registers, yinliu.counts_1d_registers, yinliu.counts_1d_board_registers,
    yinliu.episode_rows, yinliu.request_rows, yinliu.cohort_rows, yinliu.closed_rows, yinliu.broadcast_rows,
    yinliu.leaderboard_rows, yinliu.place_rows, yinliu.noted_places, yinliu.amendment_log, yinliu.customer_events,
    yinliu.business_days, yinliu.closings, yinliu.closed_place_rows, yinliu.closed_cost_rows, yinliu.corp_activity,
    yinliu.org_log, yinliu.channel_log, yinliu.target_log, yinliu.contest_log, yinliu.closed_contest_rows, yinliu.cost_log,
    yinliu.official_log
    USING true TO yinliu_pipeline, yinliu_migration, yinliu_board, yinliu_dbt;

-- One corp: every table that has rows of corps.
CREATE ROLE IF NOT EXISTS yinliu_brand;
GRANT yinliu_analyst TO yinliu_brand;
CREATE ROW POLICY OR REPLACE yinliu_brand ON
    yinliu.facts, yinliu.counts_1m_registers, yinliu.counts_1d_registers, yinliu.counts_1d_board_registers,
    yinliu.episode_rows, yinliu.request_rows, yinliu.cohort_rows, yinliu.closed_rows, yinliu.broadcast_rows,
    yinliu.leaderboard_rows, yinliu.place_rows, yinliu.noted_places, yinliu.amendment_log, yinliu.customer_events,
    yinliu.business_days, yinliu.closings, yinliu.closed_place_rows, yinliu.closed_cost_rows, yinliu.corp_activity,
    yinliu.org_log, yinliu.channel_log, yinliu.target_log, yinliu.contest_log, yinliu.closed_contest_rows, yinliu.cost_log,
    yinliu.official_log
    USING corp_id = 'brand' TO yinliu_brand;

-- One region of it: what was counted there, and its targets. The organisation and the codes are the corp's: a member who
-- moved on would seem to be there still if the row that says so were hidden.
CREATE ROLE IF NOT EXISTS yinliu_brand_east;
GRANT yinliu_analyst TO yinliu_brand_east;
CREATE ROW POLICY OR REPLACE yinliu_brand_east ON
    yinliu.facts, yinliu.counts_1m_registers, yinliu.counts_1d_registers, yinliu.counts_1d_board_registers,
    yinliu.episode_rows, yinliu.request_rows, yinliu.cohort_rows, yinliu.closed_rows, yinliu.broadcast_rows,
    yinliu.leaderboard_rows, yinliu.amendment_log, yinliu.customer_events
    USING corp_id = 'brand' AND region_id = 'east' TO yinliu_brand_east;
CREATE ROW POLICY OR REPLACE yinliu_brand_east ON
    yinliu.business_days, yinliu.closings, yinliu.corp_activity, yinliu.org_log, yinliu.channel_log
    USING corp_id = 'brand' TO yinliu_brand_east;
CREATE ROW POLICY OR REPLACE yinliu_brand_east ON yinliu.target_log, yinliu.place_rows, yinliu.noted_places, yinliu.closed_place_rows
    USING corp_id = 'brand' AND (level = 'region' AND id = 'east'
        OR level = 'store' AND id IN (SELECT store_id FROM yinliu.dim_store WHERE corp_id = 'brand' AND region_id = 'east')
        OR level = 'staff' AND id IN (SELECT staff_id FROM yinliu.dim_staff WHERE corp_id = 'brand' AND region_id = 'east'))
    TO yinliu_brand_east;
-- What knows no region would stand beside the counts of one: costs per add, differences and contests that are none.
CREATE ROW POLICY OR REPLACE yinliu_brand_east ON yinliu.cost_log, yinliu.closed_cost_rows, yinliu.official_log, yinliu.contest_log,
    yinliu.closed_contest_rows
    USING false TO yinliu_brand_east;
