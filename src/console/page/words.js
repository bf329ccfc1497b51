// What the page says, in English and Chinese, and how it writes numbers and times.

const TEXT = {
  en: {
    other: '中文', otherLanguage: 'zh', skip: 'To the alarms',
    live: 'Live', offline: 'Not connected', connecting: 'Connecting…',
    lost: (time) => `Connection lost. What you see is as of ${time}. Trying again…`,
    never: 'The platform does not answer. Trying again…',
    rate: 'messages per second', received: (n, since) => `${n} received since ${since}`,
    settled: 'messages stored safely', readings: (n) => `${n} readings`, copies: (n) => `${n} copies left out`,
    lag: 'behind', upToDate: 'every stage is up to date', stage: (name, n) => `${name}: ${n} records`, job: (name) => `query ${name}`,
    stages: { connector: 'decryption', deduplication: 'deduplication', archive: 'archive' },
    dead: 'dead letters', nothingAside: 'nothing was put aside', noise: (n) => `${n} foreign or damaged packets ignored`,
    reasons: {
      gw_mismatch: 'gateway mismatch', body_size: 'wrong size', json: 'unreadable JSON', b64: 'unreadable Base64', bad_length: 'wrong length',
      fopts_with_port0: 'options with port 0', port_reserved: 'reserved port', mic: 'wrong signature', join_mic: 'join: wrong signature',
      join_nonce: 'join: repeated', no_plugin: 'no plug-in', plugin_failed: 'plug-in failed', ns_failed: 'network server failed',
      ns_unanswered: 'network server silent', unknown_meter: 'unknown meter', bad_digits: 'wrong digits', unknown_profile: 'unknown profile',
      unknown_port: 'unknown port', conflict: 'contradiction', counter_reset: 'counter reset',
    },
    meters: 'Meters', attention: 'Flats that need attention', more: (n) => `and ${n} more`, allWell: 'None: every meter that was heard is well.',
    online: 'online', low: 'low balance', closed: 'valve closed', silent: 'silent', faulty: 'faulty', new: 'not heard yet',
    flow: 'Gas flow, last hour', noFlow: 'The curve appears after a few minutes of readings.',
    flowLabel: (now, most) => `Gas flow in the last hour: now ${now}, at most ${most}`,
    buildings: 'Buildings', buildingsHelp: 'Every mark is a flat: click it, or move with the arrow keys, for its readings.',
    floors: ['floor', 'floors'], flats: ['flat', 'flats'], firstBuildings: (n) => `the first ${n} are shown`, unplaced: 'No address',
    noBuildings: 'No meters are registered yet: meterhub registry import brings them in.',
    episodes: 'Alarms', openEpisodes: (n) => `${n} open`, foundEpisodes: (n) => `${n} found`,
    noEpisodes: 'No open alarms.', noneFound: 'No open alarm is like that.',
    severity: 'Severity', rule: 'Trouble', state: 'State', district: 'District', search: 'Search', person: 'Your name', all: 'all', xlsx: 'Excel',
    since: 'Since', owner: 'Owner', acts: 'Actions', figureName: 'Figure', comment: 'Comment', acknowledgedBy: 'Acknowledged by', number: 'Number',
    handle: 'Open', history: 'What happened', platform: 'platform', thisPage: 'page', cancel: 'Cancel',
    before: 'Previous', after: 'Next', pages: (from, to, total) => `${from}–${to} of ${total}`,
    allShown: (n) => `All ${n} that are found:`, allOf: (n) => `${n} alarms`,
    allOfMany: (n) => `All alarms that the filter finds, ${n} now, also those that come meanwhile`,
    severities: { emergency: 'emergency', urgent: 'urgent', warning: 'warning', info: 'info' },
    states: { unacknowledged: 'not acknowledged', acknowledged: 'acknowledged', returned: 'over, not acknowledged', shelved: 'shelved', cleared: 'cleared' },
    shelvedUntil: (time) => `shelved until ${time}`,
    kinds: { meter: 'meter', gateway: 'gateway', building: 'building', district: 'district', tenant: 'tenant' },
    rules: {
      leak: 'possible gas leak', tamper: 'tampering', high_flow: 'flow too high', silent_gateway: 'gateway silent', silent_meter: 'meter silent',
      low_balance: 'balance low', own_limit: 'below own limit', reverse_counter: 'counter runs back', stuck_counter: 'counter stuck',
      battery_low: 'battery low', valve_closed: 'valve closed', sensor_fault: 'sensor fault', decrypt_failures: 'packets not decrypted',
      counter_reset: 'frame counter began anew', incomplete: 'readings missing',
    },
    deeds: { acknowledge: 'Acknowledge', assign: 'Assign', comment: 'Comment', shelve: 'Shelve until tomorrow', unshelve: 'End shelving', clear: 'Clear' },
    says: { assign: 'Who takes it over (empty: nobody)', comment: 'Comment', clear: 'Reason' },
    done: (n) => `Done for ${n}.`, partlyDone: (done, refused, why) => `Done for ${done}, not for ${refused}: ${why}.`,
    refusals: {
      unknown: 'no longer open', cleared: 'cleared already', acknowledged: 'acknowledged already', shelved: 'shelved', not_shelved: 'not shelved',
      unacknowledged: 'must be acknowledged first',
    },
    events: {
      raised: 'raised', reopened: 'came back', returned: 'over, not acknowledged', cleared: 'cleared', acknowledged: 'acknowledged', assigned: 'assigned',
      commented: 'commented', shelved: 'shelved', unshelved: 'shelving ended', flood_begins: 'many at once', flood_ends: 'no longer many at once',
    },
    figures: [
      [/^left (\S+) m3$/, 'left $1 m³'], [/^(\d+) min, (\S+) m3\/h$/, '$1 min, $2 m³/h'], [/^(\S+) m3\/h$/, '$1 m³/h'],
      [/^used (\S+) m3$/, 'used $1 m³'], [/^(\d+) d, used (\S+) m3$/, '$1 days, used $2 m³'],
      [/ bought (\S+) left (\S+) used (\S+) m3$/, ' bought $1, left $2, used $3 m³'], [/\bgateway_down\b/, 'gateway down'],
      [/\bdecrypt_failed\b/, 'not decrypted'],
    ],
    usage: 'Gas used, last three days by hour', usedIn: (hours, used) => `${used} in the last ${hours} h computed`,
    usageLabel: (n, most) => `Gas used by hour, ${n} hours, at most ${most}`, noUsage: 'The curve appears when two hours are over.',
    areaTitle: 'Districts and buildings', byDistrict: 'Districts', byBuilding: 'Buildings', byCompleteness: 'Readings of yesterday', asOf: (time) => `as of ${time}`,
    noAreas: 'No figures yet.',
    areas: {
      district: 'District', building: 'Building', buildings: 'Buildings', meters: 'Meters', online: 'Online', low: 'Low', closed: 'Closed', silent: 'Silent',
      faulty: 'Faulty', unheard: 'Not heard yet', open_alarms: 'Open alarms', flow: 'Flow, m³/h', used_today: 'Used today, m³',
      used_yesterday: 'Yesterday, m³', used_week_ago: 'A week ago, m³',
      percent: 'Complete', expected: 'Expected', received: 'Received', late: 'Late', gateway_down: 'Gateway down', decrypt_failed: 'Not decrypted',
      rejected: 'Rejected', lost: 'Lost',
    },
    place: 'Where', meter: 'Meter', said: 'Meter says', latest: 'Last seen', times: 'Times',
    left: 'Left', usedTotal: 'Used', bought: 'Bought', version: 'Software', lastSeen: 'Last reading', signal: 'Signal', gateways: 'Heard by',
    gatewayUnit: ['gateway', 'gateways'], seq: 'Packet number', profile: 'Payload profile',
    none: 'Nothing was heard of this meter yet.', close: 'Close', noAnswer: (path, status) => `No answer from ${path} (${status})`,
    line: (n) => `Gas used, m³: the last ${n} readings`, lineLabel: (n, from, to) => `Gas used over the last ${n} readings, from ${from} to ${to} m³`,
    seconds: 's', minutes: 'min', hours: 'h', listed: ', ', dot: ' · ', clauses: ' · ',
    bits: { 1: 'battery low', 2: 'valve closed', 4: 'valve open', 8: 'tampering', 16: 'flow sensor fault', 32: 'leak suspected', 64: 'overdrawn' },
  },
  zh: {
    other: 'English', otherLanguage: 'en', skip: '跳到告警',
    live: '实时', offline: '未连接', connecting: '正在连接…',
    lost: (time) => `连接已中断，页面数据截至 ${time}，正在重新连接…`,
    never: '平台没有响应，正在重新连接…',
    rate: '每秒报文数', received: (n, since) => `自 ${since} 起共接收 ${n} 条`,
    settled: '已安全存储的报文', readings: (n) => `${n} 条读数`, copies: (n) => `已剔除重复 ${n} 条`,
    lag: '处理延迟', upToDate: '各环节均无积压', stage: (name, n) => `${name}积压 ${n} 条`, job: (name) => `查询 ${name} `,
    stages: { connector: '解密', deduplication: '去重', archive: '归档' },
    dead: '异常报文', nothingAside: '没有异常报文', noise: (n) => `另有 ${n} 个外来或受损的数据包已忽略`,
    reasons: {
      gw_mismatch: '网关不符', body_size: '报文大小异常', json: 'JSON 无法解析', b64: 'Base64 无法解析', bad_length: '长度不符',
      fopts_with_port0: '选项字段冲突', port_reserved: '保留端口', mic: '校验码不符', join_mic: '入网校验码不符',
      join_nonce: '入网请求重复', no_plugin: '缺少解密插件', plugin_failed: '解密插件出错', ns_failed: '网络服务器出错',
      ns_unanswered: '网络服务器无应答', unknown_meter: '表具未登记', bad_digits: '数字编码错误', unknown_profile: '数据格式未知',
      unknown_port: '端口未知', conflict: '数据冲突', counter_reset: '计数器复位',
    },
    meters: '燃气表', attention: '需要关注的住户', more: (n) => `另有 ${n} 户`, allWell: '暂无，已上报的燃气表均正常。',
    online: '在线', low: '余量不足', closed: '阀门已关', silent: '失联', faulty: '故障', new: '未上报',
    flow: '近一小时用气流量', noFlow: '读数积累几分钟后显示曲线。',
    flowLabel: (now, most) => `近一小时用气流量：当前 ${now}，最高 ${most}`,
    buildings: '楼栋', buildingsHelp: '每一格为一户：点击，或用方向键移动后按回车，可查看该户读数。',
    floors: ['层', '层'], flats: ['户', '户'], firstBuildings: (n) => `仅显示前 ${n} 栋`, unplaced: '未登记地址',
    noBuildings: '尚未登记燃气表，可用 meterhub registry import 导入。',
    episodes: '告警', openEpisodes: (n) => `未处理完 ${n} 条`, foundEpisodes: (n) => `筛选出 ${n} 条`,
    noEpisodes: '目前没有未处理完的告警。', noneFound: '没有符合条件的告警。',
    severity: '级别', rule: '告警', state: '状态', district: '片区', search: '搜索', person: '操作人姓名', all: '全部', xlsx: 'Excel',
    since: '发生时间', owner: '负责人', acts: '操作', figureName: '详情', comment: '备注', acknowledgedBy: '确认人', number: '编号',
    handle: '处理', history: '处理记录', platform: '平台', thisPage: '网页', cancel: '取消',
    before: '上一页', after: '下一页', pages: (from, to, total) => `第 ${from}–${to} 条，共 ${total} 条`,
    allShown: (n) => `对筛选出的全部 ${n} 条：`, allOf: (n) => `共 ${n} 条告警`,
    allOfMany: (n) => `符合筛选条件的全部告警，目前 ${n} 条，也包括此间新增的`,
    severities: { emergency: '特急', urgent: '紧急', warning: '警告', info: '提示' },
    states: { unacknowledged: '未确认', acknowledged: '已确认', returned: '已恢复，待确认', shelved: '已搁置', cleared: '已关闭' },
    shelvedUntil: (time) => `搁置至 ${time}`,
    kinds: { meter: '燃气表', gateway: '网关', building: '楼栋', district: '片区', tenant: '公司' },
    rules: {
      leak: '疑似燃气泄漏', tamper: '表具被拆动', high_flow: '流量超过上限', silent_gateway: '网关失联', silent_meter: '表具失联',
      low_balance: '余额不足', own_limit: '低于用户自设限额', reverse_counter: '读数倒走', stuck_counter: '读数不走',
      battery_low: '电池电量低', valve_closed: '阀门已关闭', sensor_fault: '传感器故障', decrypt_failures: '网关数据解密失败',
      counter_reset: '通信计数器重新开始', incomplete: '数据不完整',
    },
    deeds: { acknowledge: '确认', assign: '指派', comment: '备注', shelve: '搁置到明天', unshelve: '取消搁置', clear: '关闭' },
    says: { assign: '交给谁处理（留空表示取消指派）', comment: '备注内容', clear: '关闭原因' },
    done: (n) => `已处理 ${n} 条。`, partlyDone: (done, refused, why) => `已处理 ${done} 条，另有 ${refused} 条未处理：${why}。`,
    refusals: {
      unknown: '已不在列表中', cleared: '已经关闭', acknowledged: '已经确认过', shelved: '正在搁置', not_shelved: '没有搁置', unacknowledged: '须先确认',
    },
    events: {
      raised: '发生', reopened: '再次发生', returned: '已恢复，待确认', cleared: '关闭', acknowledged: '确认', assigned: '指派',
      commented: '备注', shelved: '搁置', unshelved: '取消搁置', flood_begins: '大量告警', flood_ends: '大量告警结束',
    },
    figures: [
      [/^left (\S+) m3$/, '剩余 $1 m³'], [/^(\d+) min, (\S+) m3\/h$/, '持续 $1 分钟，流量 $2 m³/h'], [/^(\S+) m3\/h$/, '流量 $1 m³/h'],
      [/^used (\S+) m3$/, '累计用气 $1 m³'], [/^(\d+) d, used (\S+) m3$/, '$1 天未走字，累计用气 $2 m³'],
      [/, bought (\S+) left (\S+) used (\S+) m3$/, '，购气 $1、剩余 $2、累计用气 $3 m³'], [/^(\d+) packets$/, '$1 个报文'],
      [/^(\S+) % of (\d+)/, '应收 $2 条，收到 $1%'], [/\bsilent\b/, '表具失联'], [/\bgateway_down\b/, '网关失联'],
      [/\bdecrypt_failed\b/, '解密失败'], [/\brejected\b/, '被拒收'], [/\blost\b/, '丢失'],
    ],
    usage: '近三天每小时用气量', usedIn: (hours, used) => `最近 ${hours} 个整点小时共 ${used}`,
    usageLabel: (n, most) => `每小时用气量，共 ${n} 小时，最高 ${most}`, noUsage: '满两个整点小时后显示曲线。',
    areaTitle: '片区与楼栋', byDistrict: '片区', byBuilding: '楼栋', byCompleteness: '昨日数据完整率', asOf: (time) => `截至 ${time}`,
    noAreas: '暂无数据。',
    areas: {
      district: '片区', building: '楼栋', buildings: '楼栋数', meters: '表数', online: '在线', low: '余量不足', closed: '阀门已关', silent: '失联',
      faulty: '故障', unheard: '未上报', open_alarms: '未处理完告警', flow: '当前流量 (m³/h)', used_today: '今日用气 (m³)',
      used_yesterday: '昨日用气 (m³)', used_week_ago: '上周同日用气 (m³)',
      percent: '完整率', expected: '应收读数', received: '实收读数', late: '迟到', gateway_down: '网关失联', decrypt_failed: '解密失败',
      rejected: '被拒收', lost: '传输丢失',
    },
    place: '位置', meter: '表号', said: '表具状态', latest: '最近出现', times: '次数',
    left: '剩余气量', usedTotal: '累计用气', bought: '累计购气', version: '软件版本', lastSeen: '最近上报', signal: '信号强度', gateways: '接收网关',
    gatewayUnit: ['个', '个'], seq: '报文序号', profile: '数据格式',
    none: '该表尚未上报读数。', close: '关闭', noAnswer: (path, status) => `接口 ${path} 没有响应 (${status})`,
    line: (n) => `累计用气 (m³)：最近 ${n} 次读数`, lineLabel: (n, from, to) => `最近 ${n} 次读数的累计用气，从 ${from} 到 ${to} m³`,
    seconds: '秒', minutes: '分钟', hours: '小时', listed: '、', dot: '·', clauses: '，',
    bits: { 1: '电池欠压', 2: '阀门已关', 4: '阀门已开', 8: '防拆报警', 16: '流量传感器故障', 32: '疑似漏气', 64: '已透支' },
  },
};

// What was chosen on the page, else what the browser speaks.
const chosen = localStorage.getItem('language') || navigator.language || 'en';
export const language = chosen.toLowerCase().startsWith('zh') ? 'zh' : 'en';
export const t = TEXT[language];
const locale = language === 'zh' ? 'zh-CN' : 'en-GB';

export function chooseOtherLanguage() {
  localStorage.setItem('language', t.otherLanguage);
  location.reload();
}

export const count = (n) => Number(n).toLocaleString(locale);
export const rounded = (n, digits = 1) => Number(n).toLocaleString(locale, { maximumFractionDigits: digits });
export const volume = (n) => (n === null || n === undefined
  ? '–' : Number(n).toLocaleString(locale, { minimumFractionDigits: 3, maximumFractionDigits: 3 }));
export const spaced = (number, unit) => `${number} ${unit}`;
export const counted = (number, [one, many]) => spaced(count(number), number === 1 ? one : many);
export const statusBits = (status) =>
  Object.entries(t.bits).filter(([bit]) => status & Number(bit)).map(([, name]) => name).join(t.listed);

// The figure of an episode, as the platform writes it, in words of the page; what it does not know stays as it is.
export function figure(detail) {
  const said = detail.replace(/^status (\d+)/, (all, status) => statusBits(Number(status)) || all);
  return t.figures.reduce((text, [form, words]) => text.replace(form, words), said);
}

export function span(seconds) {
  if (seconds < 60) return spaced(rounded(seconds), t.seconds);
  if (seconds < 5400) return spaced(Math.round(seconds / 60), t.minutes);
  return spaced(rounded(seconds / 3600), t.hours);
}

// Times are the browser's: the office and its meters live in one zone.
const dateStyle = language === 'zh' ? 'short' : 'medium';
export const clock = (iso, timeStyle = 'short') => new Date(iso).toLocaleTimeString(locale, { timeStyle });
// The day only where it is another one than today.
export function moment(iso) {
  const at = new Date(iso);
  if (at.toDateString() === new Date().toDateString()) return clock(iso, 'medium');
  return at.toLocaleString(locale, { dateStyle, timeStyle: 'medium' });
}
export const fullMoment = (iso) => new Date(iso).toLocaleString(locale, { dateStyle, timeStyle: 'medium' });
