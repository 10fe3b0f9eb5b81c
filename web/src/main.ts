import './styles/base.css'

import { createApp } from 'vue'

import App from './App.vue'
import { i18n } from './i18n'
import { loadAccess } from './state/access'

void loadAccess().finally(() => createApp(App).use(i18n).mount('#app'))
